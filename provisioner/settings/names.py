"""Names in the configuration: DNS names, endpoints, and the state's URL."""

import re
from ipaddress import ip_address
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_LONGEST_NAME = 253
_PORT = re.compile(r"[0-9]{1,5}")
DEFAULT_PORT = 8883
_SQLITE = "sqlite:///"


def check_dns_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names. Raises ``ValueError`` for the first that can't stand in a certificate."""
    if not names:
        raise ValueError("name at least one")
    seen = set()
    for name in names:
        problem = dns_name_problem(name, wildcard=True)
        if problem:
            raise ValueError(f"{name!r}: {problem}")
        if name.lower() in seen:
            raise ValueError(f"{name!r} is named twice")
        seen.add(name.lower())
    return names


def check_ip_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses in their canonical text. Raises ``ValueError`` for the first that is none."""
    found: list[str] = []
    for text in addresses:
        if not _is_address(text) or "%" in text:
            raise ValueError(f"{text!r}: this is not an IP address")
        canonical = str(ip_address(text))
        if canonical in found:
            raise ValueError(f"{text!r} is named twice")
        found.append(canonical)
    return tuple(found)


def dns_name_problem(name: str, *, wildcard: bool) -> str:
    """Return what is wrong with a DNS name, an empty text when nothing is."""
    if _is_address(name):
        return "IP addresses are not DNS names; devices connect by name"
    if not name.isascii():
        return "write it in its ASCII form (xn--...)"
    bare = name[2:] if wildcard and name.startswith("*.") else name
    if "*" in bare:
        return "* may only stand for the whole leftmost label, as in *.example.com"
    if len(name) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in bare.split(".")):
        return "this is not a DNS name"
    return ""


def check_domain(name: str) -> str:
    """Return the name of one domain, in lower case. Raises ``ValueError``."""
    problem = dns_name_problem(name, wildcard=False)
    if problem:
        raise ValueError(f"{name!r}: {problem}")
    return name.lower()


def parse_endpoint(value: str) -> str:
    """Return an endpoint as ``host:port``. Raises ``ValueError``."""
    host, port = split_endpoint(value)
    problem = dns_name_problem(host, wildcard=False)
    if problem:
        raise ValueError(f"{problem}; expected a name with an optional port, such as mqtt.example.com:8883")
    return f"{host}:{port}"


def split_endpoint(value: str) -> tuple[str, int]:
    """Return host and port of ``HOST[:PORT]`` or ``[IPV6]:PORT``. Raises ``ValueError``."""
    if "://" in value:
        raise ValueError("a URL is no endpoint; expected a name with an optional port, such as mqtt.example.com:8883")
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(.*))?", value)
    if bracketed:
        return bracketed.group(1), _port(bracketed.group(2))
    if value.count(":") > 1 and _is_address(value):
        return value, DEFAULT_PORT
    host, colon, port = value.partition(":")
    if not host:
        raise ValueError("expected HOST or HOST:PORT")
    return host, _port(port if colon else None)


def check_timezone(name: str) -> str:
    """Return the name of a time zone. Raises ``ValueError`` for an unknown one."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; expected a name such as UTC or Asia/Shanghai") from None
    return name


def check_state(url: str) -> str:
    """Return the state's URL. Raises ``ValueError`` unless it names a SQLite file."""
    if not url.startswith(_SQLITE) or len(url) == len(_SQLITE):
        raise ValueError("only SQLite files are supported: sqlite:///path/to/provisioner.sqlite")
    return url


def state_path(url: str) -> str:
    """Return the path in the state's URL."""
    return url.removeprefix(_SQLITE)


def _port(text: str | None) -> int:
    if text is None:
        return DEFAULT_PORT
    if not _PORT.fullmatch(text) or not 0 < int(text) < 1 << 16:
        raise ValueError(f"{text[:20]!r} is no port: expected 1 to 65535")
    return int(text)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
