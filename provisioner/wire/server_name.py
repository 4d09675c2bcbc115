"""The name that a client asks for by SNI, and that it verifies the server's certificate against."""

from ipaddress import ip_address

_LONGEST_NAME = 253
_LONGEST_LABEL = 63


def server_name(host: str) -> str:
    """Return the name of a host as TLS wants it: without the dot of a fully qualified name (RFC 6066, section 3)."""
    return host.removesuffix(".")


def asked_name(host: str) -> str | None:
    """Return the name that is asked for by SNI, None for an IP address, which SNI does not carry."""
    name = server_name(host)
    return None if is_address(name) else name


def is_address(host: str) -> bool:
    """Return whether a host is an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def name_problem(host: str) -> str:
    """Return why TLS can't ask for a host, an empty text when it can.

    Python's ssl refuses empty and long labels by ``ValueError`` or ``UnicodeError``, and OpenSSL long names.
    Underscores are let through: they are no host name by the letter, and stand in names of container networks.
    """
    name = server_name(host)
    lengths = [len(label) for label in name.split(".")]
    problems = (
        (not name.isascii(), "write it in its ASCII form (xn--...)"),
        (not name.isprintable() or " " in name, "a name has no blanks or control characters"),
        (len(name) > _LONGEST_NAME, f"a name has at most {_LONGEST_NAME} characters"),
        (min(lengths) == 0, "a label between two dots is empty"),
        (max(lengths) > _LONGEST_LABEL, f"a label between two dots has at most {_LONGEST_LABEL} characters"),
    )
    return "" if is_address(name) else next((problem for found, problem in problems if found), "")
