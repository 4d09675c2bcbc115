"""URLs of the cloud's APIs in the configuration; messages never show one, since it may hold what is secret."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def check_url(url: str) -> str:
    """Return the URL of an API. Raises ``ValueError`` unless it is https, or plain http to literal loopback."""
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL can't hold a user name or a password; use account.credentials")
    if parts.query or parts.fragment or parts.path.strip("/"):
        raise ValueError("expected scheme, host and port alone, such as https://cas.aliyuncs.com")
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError("plain http is for literal loopback addresses only, such as http://127.0.0.1:8701")
    return url


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is a literal loopback address."""
    try:
        return ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or " " in url:
        raise ValueError("expected a URL such as https://cas.aliyuncs.com or http://127.0.0.1:8701")
    return parts
