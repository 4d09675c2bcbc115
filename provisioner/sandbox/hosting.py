"""Certificate Management Service, API 2020-04-07: what a tool that hosts certificates calls of it."""

import hashlib
import itertools
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from provisioner.sandbox.answers import Answer, ApiError, required, whole

VERSION = "2020-04-07"
_LONGEST_NAME = 63
_LARGEST_PAGE = 100
_WILL_EXPIRE = timedelta(days=30)
# Fields of the upload that a complete chain must never be in; the guide warns of them.
_FORBIDDEN = ("CertChain", "Chain", "EncryptCert", "EncryptPrivateKey", "SignCert", "SignPrivateKey")


@dataclass(frozen=True, slots=True)
class Hosted:
    """A hosted certificate."""

    id: int
    name: str
    chain_pem: str
    key_pem: str
    leaf: x509.Certificate
    tags: tuple[tuple[str, str], ...] = ()
    token: str = ""
    revoked: bool = False

    @property
    def identifier(self) -> str:
        """``CertIdentifier`` as documented for the China site."""
        return f"{self.id}-cn-hangzhou"

    @property
    def sha256(self) -> str:
        """The SHA-256 of the leaf."""
        return hashlib.sha256(self.leaf.public_bytes(Encoding.DER)).hexdigest()

    @property
    def key_sha256(self) -> str:
        """The SHA-256 of the leaf's public key."""
        key = self.leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(key).hexdigest()

    def status(self) -> str:
        """``CertificateStatus`` as documented; assumed: a certificate is about to expire 30 days before its end."""
        if self.revoked:
            return "revoked"
        left = self.leaf.not_valid_after_utc - datetime.now(UTC)
        if left <= timedelta(0):
            return "expired"
        return "willExpire" if left < _WILL_EXPIRE else "issued"


class HostingService:
    """The actions, and the certificates of one account.

    Args:
        fingerprints_of_keys: what the listing tells as ``FingerPrint`` is that of the public key, as its document says.
    """

    def __init__(self, *, fingerprints_of_keys: bool = False) -> None:
        self._of_keys = fingerprints_of_keys
        self._lock = threading.Lock()
        self._hosted: dict[int, Hosted] = {}
        self._next = 14_000_001
        self._uses: dict[int, list[str]] = {}
        self.actions = {
            "UploadUserCertificate": self.upload,
            "GetUserCertificateDetail": self.detail,
            "ListCertificates": self.list,
            "DeleteUserCertificate": self.delete,
        }

    def by_identifier(self, identifier: str) -> Hosted | None:
        """Return a hosted certificate."""
        with self._lock:
            return next((item for item in self._hosted.values() if item.identifier == identifier), None)

    def add(self, name: str, chain_pem: str, key_pem: str) -> str:
        """Have a certificate hosted since long ago, expired ones too; return its identifier."""
        leaf = x509.load_pem_x509_certificates(chain_pem.encode())[0]
        with self._lock:
            made = Hosted(self._next, name, chain_pem, key_pem, leaf)
            self._hosted[made.id] = made
            self._next += 1
        return made.identifier

    def revoke(self, identifier: str) -> None:
        """Let a certificate be revoked, as a person does in the console."""
        found = self.by_identifier(identifier)
        assert found is not None
        with self._lock:
            self._hosted[found.id] = replace(found, revoked=True)

    def upload(self, parameters: dict[str, str]) -> Answer:
        """UploadUserCertificate; names are unique in an account (documented)."""
        name, token = required(parameters, "Name"), parameters.get("ClientToken", "")
        chain, key = required(parameters, "Cert"), required(parameters, "Key")
        # assumed: an upload that fills another certificate field beside Cert and Key is refused
        if any(parameters.get(field) for field in _FORBIDDEN):
            raise ApiError("InvalidParameter", "A field beside Cert and Key is filled.")
        if len(name) > _LONGEST_NAME:
            raise ApiError("DataTooLongException", "The name is too long.")
        leaf = _checked(chain, key)
        tags = tuple(
            (parameters[field], parameters.get(field.replace(".Key", ".Value"), ""))
            for field in sorted(parameters)
            if field.startswith("Tags.") and field.endswith(".Key")
        )
        with self._lock:
            for item in self._hosted.values():
                if token and item.token == token and item.name == name and item.chain_pem == chain:
                    return {"CertId": item.id, "ResourceId": f"cas-upload-{item.id}"}
                if item.name == name:
                    raise ApiError("NameRepeat", "The name of the certificate already exists.")
            made = Hosted(self._next, name, chain, key, leaf, tags, token)
            self._hosted[made.id] = made
            self._next += 1
        return {"CertId": made.id, "ResourceId": f"cas-upload-{made.id}"}

    def detail(self, parameters: dict[str, str]) -> Answer:
        """GetUserCertificateDetail; without CertFilter the private key is in the answer (documented)."""
        found = self._found(parameters)
        leaf = found.leaf
        answer: Answer = {
            "Id": found.id,
            "Name": found.name,
            "CertIdentifier": found.identifier,
            "Common": _common_name(leaf.subject),
            "Sans": ",".join(_names(leaf)),
            "Fingerprint": hashlib.sha1(leaf.public_bytes(Encoding.DER)).hexdigest(),  # noqa: S324  as the service
            "Sha2": found.sha256,
            "SerialNo": f"{leaf.serial_number:x}",
            "Issuer": _common_name(leaf.issuer),
            "NotBefore": _milliseconds(leaf.not_valid_before_utc),
            "NotAfter": _milliseconds(leaf.not_valid_after_utc),
            "Expired": found.status() == "expired",
            "BuyInAliyun": False,
            "Tags": [{"TagKey": key, "TagValue": value} for key, value in found.tags],
        }
        if parameters.get("CertFilter", "").lower() != "true":
            answer |= {"Cert": found.chain_pem, "Key": found.key_pem}
        return answer

    def list(self, parameters: dict[str, str]) -> Answer:
        """ListCertificates; the keyword is searched in names, domains and ids (documented).

        Assumed: ``FingerPrint`` is the leaf's SHA-256, although its document calls it that of the public key; a setting
        makes it so.
        """
        page, size = whole(parameters, "CurrentPage", 1), whole(parameters, "ShowSize", 10)
        if not 0 < size <= _LARGEST_PAGE or page < 1:
            raise ApiError("InvalidParameter", "CurrentPage or ShowSize is invalid.")
        keyword, status = parameters.get("Keyword", ""), parameters.get("CertificateStatus", "")
        source = parameters.get("CertificateSource", "")
        with self._lock:
            listed = sorted(self._hosted.values(), key=lambda item: -item.id)
        matching = [
            item for item in listed if source in {"", "UPLOAD"} and _matches(item, keyword) and _in_status(item, status)
        ]
        shown = matching[(page - 1) * size : page * size]
        return {
            "CertificateList": [
                _listed(item, self._uses.get(item.id, [])) | ({"FingerPrint": item.key_sha256} if self._of_keys else {})
                for item in shown
            ],
            "TotalCount": len(matching),
            "CurrentPage": page,
            "ShowSize": size,
        }

    def delete(self, parameters: dict[str, str]) -> Answer:
        """DeleteUserCertificate."""
        found = self._found(parameters)
        with self._lock:
            self._hosted.pop(found.id, None)
        return {}

    def use(self, identifier: str, product: str) -> None:
        """Let a cloud product use a hosted certificate, as the listing then tells."""
        found = self.by_identifier(identifier)
        assert found is not None
        self._uses.setdefault(found.id, []).append(product)

    def _found(self, parameters: dict[str, str]) -> Hosted:
        number = whole(parameters, "CertId")
        with self._lock:
            found = self._hosted.get(number)
        if found is None:
            raise ApiError("NotFound", "The certificate does not exist.", 404)
        return found


def _checked(chain: str, key: str) -> x509.Certificate:
    """Return the leaf of an upload; assumed: format, key, order of the chain and dates are checked."""
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        raise ApiError("CertificateFormatException", "Certificate or key is malformed.") from None
    leaf = certificates[0]
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != public:
        raise ApiError("ParseCertificateFailed", "The key does not match the certificate.")
    for lower, upper in itertools.pairwise(certificates):
        if lower.issuer != upper.subject:
            raise ApiError("CertificateChainNotMatch", "The chain is out of order.")
    if leaf.not_valid_after_utc <= datetime.now(UTC):
        raise ApiError("CertificateExpired", "The certificate has expired.")
    return leaf


def _listed(item: Hosted, products: list[str]) -> Answer:
    key = item.leaf.public_key()
    return {
        "CertificateId": str(item.id),
        "CertificateName": item.name,
        "CertIdentifier": item.identifier,
        "CertificateSource": "upload",
        "CertificateStatus": item.status(),
        "CommonName": _common_name(item.leaf.subject),
        "Domain": ",".join(_names(item.leaf)),
        "SubjectAlternativeNames": _names(item.leaf),
        "FingerPrint": item.sha256,
        "Serial": f"{item.leaf.serial_number:x}",
        "Issuer": _common_name(item.leaf.issuer),
        "Algorithm": "RSA" if isinstance(key, rsa.RSAPublicKey) else "ECC",
        "KeySize": key.key_size if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else 0,
        "NotBefore": _milliseconds(item.leaf.not_valid_before_utc),
        "NotAfter": _milliseconds(item.leaf.not_valid_after_utc),
        "ExistPrivateKey": True,
        "UsingProductList": list(products),
    }


def _matches(item: Hosted, keyword: str) -> bool:
    searched = [item.name, str(item.id), item.identifier, *_names(item.leaf)]
    return any(keyword.lower() in text.lower() for text in searched)


def _in_status(item: Hosted, status: str) -> bool:
    return item.status() not in {"expired", "revoked"} if not status else item.status() == status


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(found.value.get_values_for_type(x509.DNSName))


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
