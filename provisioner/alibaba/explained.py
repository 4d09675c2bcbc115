"""What some of the service's codes mean to a person, in words of our own, with the next step.

As documented: Alibaba's public pages on the API's error codes and on the change of its HTTP statuses, and the page on
CA certificates of March 2026. The statuses of these codes differ between pages (500, 400, 401): nothing goes by them.
"""

from typing import NamedTuple


class Explained(NamedTuple):
    """The fact, and the next step."""

    words: str
    hint: str


_AGAIN = "run the command again: it asks for a new code"

EXPLAINED = {
    "RegisterCodeError": Explained(
        "the validation certificate does not carry the code that the service gave out last", _AGAIN
    ),
    "RegisterCodeUsed": Explained("the registration code was used before", _AGAIN),
    "CertificateContentError": Explained(
        "the service can't use the CA or its validation certificate; it wants RSA or EC, and basicConstraints CA:TRUE",
        "openssl x509 -noout -text -in FILE shows what the CA is; provisioner ca create makes one that will do",
    ),
    "SnNotUnique": Explained(
        "a CA with this serial number is registered already; a CA can be registered with one instance per region "
        "(documented in March 2026)",
        "provisioner device-ca list tells what an instance has; each instance of a region needs a device CA of its own",
    ),
    "CaNumExceed": Explained(
        "the instance has as many device CAs as it may have",
        "delete one that is not needed any more in the console: Certificates > CA Certificate",
    ),
    "FindCaBySnError": Explained(
        "the service knows no CA of this serial number with this instance", "provisioner device-ca list"
    ),
}
