"""Hosted certificates in Certificate Management Service."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from provisioner.alibaba import fields
from provisioner.alibaba.clients import CAS_VERSION, AccountClients, Call
from provisioner.alibaba.failures import require_success
from provisioner.errors import NotFoundError, UnansweredError
from provisioner.model.certificate import HostedCertificate
from provisioner.model.secret import Secret

_PAGE = 100
_MOST_PAGES = 50
_LONGEST_NUMBER = 20
_CURRENT = ("issued", "willExpire", "expired")
TAG = ("created-by", "provisioner")


class AlibabaHostedCertificates:
    """Implements ``ports.HostedCertificates`` and ``ports.CertificateRemoval``.

    ListCertificates is the listing: it searches by name and tells ``CertIdentifier``. The older one hides expired
    certificates (documented), which then collide by name.

    Args:
        clients: the account's clients.
        unsafe_key_in_query: send the private key in the URL, as the typed SDK call does. Every proxy and log that sees
            the URL then sees the key.
    """

    def __init__(self, clients: AccountClients, *, unsafe_key_in_query: bool = False) -> None:
        self._clients = clients
        self._key_in_query = unsafe_key_in_query

    def find(self, name_prefix: str) -> tuple[HostedCertificate, ...]:
        """Return every hosted certificate whose name begins so, valid, soon to expire, and expired ones."""
        found = self._listed(name_prefix, _CURRENT)
        return tuple(item for item in found if item.name.startswith(name_prefix))

    def find_after_name_taken(self, name: str) -> tuple[HostedCertificate, ...]:
        """Return the hosted certificates of exactly this name in every status, the revoked ones too."""
        return tuple(item for item in self._listed(name, (*_CURRENT, "revoked")) if item.name == name)

    def by_identifier(self, identifier: str) -> HostedCertificate | None:
        """Return the hosted certificate with this ``CertIdentifier``, with fingerprints, or None."""
        number, _, _ = identifier.partition("-")
        if not (number.isascii() and number.isdigit() and len(number) < _LONGEST_NUMBER):
            return None
        try:
            found = self.read_back(int(number))
        except NotFoundError:
            return None
        return found if found.identifier == identifier else None

    def upload(self, name: str, chain_pem: str, private_key: Secret, token: str) -> int:
        """Upload chain and key under a new name and return the service's number for it.

        The chain goes into the certificate field, and no other field is ever filled: the guide warns that a separate
        chain breaks authentication.
        """
        parameters: dict[str, object] = {
            "Name": name,
            "Cert": chain_pem,
            "Key": private_key.reveal(),
            "ClientToken": token,
            "Tags": [{"Key": TAG[0], "Value": TAG[1]}],
        }
        where = "query" if self._key_in_query else "body"
        answer = self._call(Call("UploadUserCertificate", CAS_VERSION, **{where: parameters}))  # type: ignore[arg-type]
        number = fields.number(answer.get("CertId"))
        if number is None:
            raise UnansweredError("UploadUserCertificate: the answer lacks CertId", action="UploadUserCertificate")
        return number

    def read_back(self, number: int) -> HostedCertificate:
        """Return what the service made of an upload, the private key filtered out by the service."""
        query: dict[str, object] = {"CertId": number, "CertFilter": "true"}
        answer = self._call(Call("GetUserCertificateDetail", CAS_VERSION, query=query))
        answer.pop("Key", None)
        identifier = fields.text(answer.get("CertIdentifier"))
        if not identifier:
            raise UnansweredError(
                "GetUserCertificateDetail: the answer lacks CertIdentifier", action="GetUserCertificateDetail"
            )
        sha256, sha1 = fields.fingerprints(answer.get("Sha2"), answer.get("CertSha2"), answer.get("Fingerprint"))
        return HostedCertificate(
            id=number,
            name=fields.text(answer.get("Name")),
            identifier=identifier,
            sha256=sha256,
            sha1=sha1,
            serial=fields.serial(answer.get("SerialNo")),
            issuer=fields.text(answer.get("Issuer")),
            common_name=fields.text(answer.get("Common")),
            dns_names=_names(fields.text(answer.get("Sans")).split(",")),
            key=None,
            not_before=fields.milliseconds(answer.get("NotBefore")),
            not_after=fields.milliseconds(answer.get("NotAfter")),
            status="expired" if str(answer.get("Expired")).lower() == "true" else "issued",
            tagged=_tagged(answer.get("Tags")),
        )

    def delete(self, number: int) -> None:
        """Delete a hosted certificate by the service's number; one that is gone already is no error."""
        with suppress(NotFoundError):
            self._call(Call("DeleteUserCertificate", CAS_VERSION, query={"CertId": number}))

    def _listed(self, keyword: str, statuses: Iterable[str]) -> list[HostedCertificate]:
        found: dict[int, HostedCertificate] = {}
        for status in statuses:
            for item in self._pages(keyword, status):
                hosted = _hosted(item, status)
                if hosted is not None:
                    found.setdefault(hosted.id, hosted)
        return list(found.values())

    def _pages(self, keyword: str, status: str) -> Iterable[dict[str, Any]]:
        for page in range(1, _MOST_PAGES + 1):
            query: dict[str, object] = {
                "Keyword": keyword,
                "CertificateStatus": status,
                "CurrentPage": page,
                "ShowSize": _PAGE,
            }
            answer = self._call(Call("ListCertificates", CAS_VERSION, query=query))
            items = fields.listed("ListCertificates", answer, "CertificateList")
            yield from items
            if len(items) < _PAGE:
                return

    def _call(self, call: Call) -> dict[str, Any]:
        answer = self._clients.certificates(call)
        require_success(call.action, answer)
        return answer


def _hosted(item: dict[str, Any], status: str) -> HostedCertificate | None:
    number = fields.number(item.get("CertificateId"))
    identifier = fields.text(item.get("CertIdentifier"))
    if number is None or not identifier:
        return None
    sha256, sha1 = fields.fingerprints(item.get("FingerPrint"), item.get("Fingerprint"))
    algorithm, size = fields.text(item.get("Algorithm")).lower(), fields.number(item.get("KeySize"))
    names = item.get("SubjectAlternativeNames")
    return HostedCertificate(
        id=number,
        name=fields.text(item.get("CertificateName")),
        identifier=identifier,
        sha256=sha256,
        sha1=sha1,
        serial=fields.serial(item.get("Serial")),
        issuer=fields.text(item.get("Issuer")),
        common_name=fields.text(item.get("CommonName")),
        dns_names=_names(names if isinstance(names, list) else []),
        key=f"{algorithm}-{size}" if algorithm and size else None,
        not_before=fields.milliseconds(item.get("NotBefore")),
        not_after=fields.milliseconds(item.get("NotAfter")),
        status=status,
        products=_products(item.get("UsingProductList")),
    )


def _products(value: object) -> tuple[str, ...]:
    """Return the products in a list of texts or of objects; the documents show neither."""
    listed = value if isinstance(value, list) else [value] if value else []
    names = (item.get("ProductName") or item.get("Product") if isinstance(item, dict) else item for item in listed)
    return tuple(fields.text(name) or "a product" for name in names)


def _tagged(value: object) -> bool:
    items = value if isinstance(value, list) else []
    return any(isinstance(item, dict) and (item.get("TagKey"), item.get("TagValue")) == TAG for item in items)


def _names(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(name for name in (fields.text(value) for value in values) if name)
