"""Verifying signatures: ACS3-HMAC-SHA256 and the older RPC signature with HMAC-SHA1, from the bytes on the wire.

Source: measurements of what the SDKs send. Parameters are canonicalised from decoded pairs, because clients quote the
same query differently.
"""

import base64
import hashlib
import hmac
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from provisioner.sandbox.answers import ApiError

_SKEW = timedelta(minutes=15)
_AUTHORIZATION = re.compile(r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})")
_MUST_SIGN = {"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"}


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it came; header names in lower case."""

    method: str
    query: str
    headers: dict[str, str]
    body: bytes

    def parameters(self) -> dict[str, str]:
        """Return the parameters of query and form body."""
        return dict(self.query_pairs() + self.body_pairs())

    def query_pairs(self) -> list[tuple[str, str]]:
        """Return the decoded pairs of the query."""
        return parse_qsl(self.query, keep_blank_values=True)

    def body_pairs(self) -> list[tuple[str, str]]:
        """Return the decoded pairs of a form body, none of any other."""
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return []
        return parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)


class Verifier:
    """Verifies requests of one account; a nonce is good once.

    Args:
        access_key_id: the account's key.
        access_key_secret: its secret.
        ahead: how far the service's clock is ahead of this machine's.
    """

    def __init__(self, access_key_id: str, access_key_secret: str, ahead: timedelta = timedelta(0)) -> None:
        self._id = access_key_id
        self._secret = access_key_secret.encode()
        self._ahead = ahead
        self._nonces: set[str] = set()
        self._lock = threading.Lock()

    def verify(self, request: Request) -> tuple[str, str]:
        """Return action and version of a request. Raises ``ApiError`` when it is not signed as it should be.

        The SDKs name action and version in headers with either signature (measured), so those tell nothing.
        """
        if "authorization" not in request.headers and "Signature" in request.parameters():
            return self._verify_rpc(request)
        return self._verify_acs3(request)

    def _verify_acs3(self, request: Request) -> tuple[str, str]:
        headers = request.headers
        match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if match is None:
            raise ApiError("IncompleteSignature", "The request is not signed as ACS3-HMAC-SHA256.")
        access_key_id, names, got = match.group(1), match.group(2).split(";"), match.group(3)
        self._check_account(access_key_id)
        self._check_date(headers.get("x-acs-date", ""))
        digest = hashlib.sha256(request.body).hexdigest()
        if headers.get("x-acs-content-sha256") != digest or not set(names) >= _MUST_SIGN:
            raise ApiError("SignatureDoesNotMatch", "Content hash or signed headers do not match.")
        query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(request.query_pairs()))
        signed = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in names)
        canonical = f"{request.method}\n/\n{query}\n{signed}\n{';'.join(names)}\n{digest}"
        text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
        expected = hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(got, expected):
            raise ApiError("SignatureDoesNotMatch", "The signature does not match.")
        self._check_nonce(headers.get("x-acs-signature-nonce", ""))
        return headers["x-acs-action"], headers.get("x-acs-version", "")

    def _verify_rpc(self, request: Request) -> tuple[str, str]:
        parameters = request.parameters()
        got = parameters.pop("Signature", "")
        if not got or parameters.get("SignatureMethod") != "HMAC-SHA1":
            raise ApiError("IncompleteSignature", "The request is not signed.")
        self._check_account(parameters.get("AccessKeyId", ""))
        self._check_date(parameters.get("Timestamp", ""))
        pairs = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(parameters.items()))
        text = f"{request.method}&%2F&{_quoted(pairs)}"
        digest = hmac.new(self._secret + b"&", text.encode(), hashlib.sha1).digest()
        if not hmac.compare_digest(got, base64.b64encode(digest).decode()):
            raise ApiError("SignatureDoesNotMatch", "The signature does not match.")
        self._check_nonce(parameters.get("SignatureNonce", ""))
        return parameters.get("Action", ""), parameters.get("Version", "")

    def _check_account(self, access_key_id: str) -> None:
        if access_key_id != self._id:
            raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)

    def _check_date(self, text: str) -> None:
        try:
            at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            raise ApiError("InvalidTimeStamp.Format", "The date is malformed.") from None
        if abs(datetime.now(UTC) + self._ahead - at) > _SKEW:
            raise ApiError("InvalidTimeStamp.Expired", "The date is more than 15 minutes off.")

    def _check_nonce(self, nonce: str) -> None:
        with self._lock:
            if not nonce or nonce in self._nonces:
                raise ApiError("SignatureNonceUsed", "The nonce was used before.")
            self._nonces.add(nonce)


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
