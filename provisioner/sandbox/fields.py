"""Parameters and values that the actions on device CAs and on device certificates share."""

from datetime import datetime

from cryptography import x509

from provisioner.sandbox.answers import ApiError, whole

LONGEST_SERIAL = 128
_LARGEST_PAGE = 100


def given(parameters: dict[str, str], name: str, status: int = 500) -> str:
    """Return a parameter; a serial number has 128 bytes at most (documented). Raises ``ApiError`` of that status."""
    value = parameters.get(name, "")
    if not value.strip() or (name.endswith("Sn") and len(value) > LONGEST_SERIAL):
        raise ApiError("ParameterFieldCheckFailed", "Failed to validate the parameters.", status)
    return value


def page_of(parameters: dict[str, str], status: int = 500) -> tuple[int, int]:
    """Return number and size of the page that is asked for. Raises ``ApiError`` of that status for limits."""
    page, size = whole(parameters, "PageNo"), whole(parameters, "PageSize")
    if page < 1 or not 0 < size <= _LARGEST_PAGE:
        raise ApiError("ParameterFieldCheckFailed", "Failed to validate the parameters.", status)
    return page, size


def serial_text(certificate: x509.Certificate) -> str:
    """Return a serial number's text; assumed: it is hexadecimal in whole bytes, as zeros in front of examples hint."""
    digits = f"{certificate.serial_number:x}"
    return digits.zfill(len(digits) + len(digits) % 2)


def milliseconds(at: datetime) -> str:
    """Return a time as the service writes it."""
    return str(int(at.timestamp() * 1000))
