"""Hosted certificates and their removal: one suite in memory and over the sandbox."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from provisioner.alibaba import AlibabaHostedCertificates
from provisioner.errors import (
    NameTakenError,
    NotFoundError,
    RejectedError,
    ServiceError,
    ThrottledError,
    UnansweredError,
)
from provisioner.model.certificate import HostedCertificate
from provisioner.model.secret import Secret
from provisioner.pki.reading import leaf_of
from provisioner.ports import CertificateRemoval, HostedCertificates
from provisioner.sandbox import Sandbox
from tests.contract.place import account
from tests.fakes.authorities import Made, good, make
from tests.fakes.clock import FakeClock
from tests.fakes.memory import MemoryHosting
from tests.fakes.pki import FakePki

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = (x509.SubjectAlternativeName([x509.DNSName("*.mqtt.aliyuncs.com"), x509.DNSName("mqtt.example.com")]), False)
PREFIX = "provisioner-iot-"


@dataclass(frozen=True)
class Service:
    """The two ports, ways to make calls go wrong, and ways to change what is hosted without a call of this tool."""

    hosted: HostedCertificates
    removal: CertificateRemoval
    arm: Callable[[str, str], None]
    add: Callable[[str, Made], str]
    use: Callable[[str, str], None]
    revoke: Callable[[str], None]
    issuer: Made

    def made(self, *, days: float = 300, issuer: Made | None = None) -> Made:
        """Make a certificate that is valid for so many days from now on."""
        begin, end = NOW - timedelta(days=60), NOW + timedelta(days=days)
        folder = self.issuer.certificate_path.parent
        return make(folder, "mqtt.example.com", NAMES, issuer=issuer or self.issuer, begin=begin, end=end)

    def upload(self, made: Made, *, name: str = "", key: Made | None = None, token: str = "") -> int:
        """Upload a certificate with its CA, under the name that this tool would give it."""
        name = name or own_name(made)
        return self.hosted.upload(name, made.pem + self.issuer.pem, private_key(key or made), token or name)

    def listed(self, prefix: str = PREFIX) -> list[HostedCertificate]:
        """Return what is found by prefix, in the order in which it was uploaded."""
        return sorted(self.hosted.find(prefix), key=lambda item: item.id)


def own_name(made: Made) -> str:
    """Return the name under which a certificate is hosted."""
    return PREFIX + hashlib.sha256(made.der).hexdigest()[:16]


def private_key(made: Made) -> Secret:
    """Return a key as it is sent."""
    return Secret(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def described(made: Made, number: int, name: str = "") -> HostedCertificate:
    """Return how the listing describes a certificate that is not about to expire."""
    certificate = made.certificate
    return HostedCertificate(
        id=number,
        name=name or own_name(made),
        identifier=f"{number}-cn-hangzhou",
        sha256=hashlib.sha256(made.der).hexdigest(),
        sha1=None,
        serial=certificate.serial_number,
        issuer=str(certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value),
        common_name="mqtt.example.com",
        dns_names=("*.mqtt.aliyuncs.com", "mqtt.example.com"),
        key="ecc-256",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        status="issued",
    )


def own_record(found: HostedCertificate) -> HostedCertificate:
    """Return a certificate's own record as this suite compares it: SHA-1 is told there by the real service alone."""
    return replace(found, sha1=None)


def failure(action: Callable[[], object]) -> tuple[type[ServiceError], str]:
    """Return kind and code of the error that a call ends in."""
    with pytest.raises(ServiceError) as caught:
        action()
    return type(caught.value), caught.value.code


@pytest.fixture(params=["memory", "sandbox"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """Return the ports of an account that hosts nothing yet."""
    issuer = good(tmp_path)
    if request.param == "memory":
        yield in_memory(issuer)
        return
    with Sandbox() as sandbox:
        hosted = AlibabaHostedCertificates(account(sandbox))

        def add(name: str, made: Made) -> str:
            return sandbox.hosting.add(name, made.pem, private_key(made).reveal())

        def arm(fault: str, action: str) -> None:
            sandbox.faults.arm(fault, action=action)

        yield Service(hosted, hosted, arm, add, sandbox.hosting.use, sandbox.hosting.revoke, issuer)


class AnyPki(FakePki):
    """Knows every certificate, because it reads it."""

    class _Reading(dict[bytes, object]):
        def __missing__(self, der: bytes) -> object:
            return leaf_of(x509.load_der_x509_certificate(der))

    def __init__(self) -> None:
        super().__init__(FakeClock(NOW))
        self.known = self._Reading()  # type: ignore[assignment]


def in_memory(issuer: Made) -> Service:
    """Return the fake."""
    fake = MemoryHosting(AnyPki())
    return Service(
        fake,
        fake,
        fake.arm,
        lambda name, made: fake.put(name, leaf_of(made.certificate)),
        fake.use,
        fake.revoke,
        issuer,
    )


def test_an_upload_is_listed_whole_and_read_back(service: Service) -> None:
    """Nothing is there before; then name, names, dates and fingerprint are, and the record alone tells the tag."""
    assert service.hosted.find("") == ()
    made = service.made()
    number = service.upload(made)
    listed = described(made, number)
    assert service.hosted.find(PREFIX) == (listed,)
    record = replace(listed, key=None, tagged=True)
    by_identifier = service.hosted.by_identifier(listed.identifier)
    assert by_identifier is not None
    assert [own_record(item) for item in (service.hosted.read_back(number), by_identifier)] == [record, record]


def test_a_listing_goes_by_how_names_begin(service: Service) -> None:
    """Neither a name with the prefix in its midst, nor one of other case, nor a domain that begins so is found."""
    certificates = {name: service.made() for name in ("mqtt.example.com-1", "a-mqtt.example.com", "MQTT.example.com-2")}
    numbers = {name: int(service.add(name, made).partition("-")[0]) for name, made in certificates.items()}
    name = "mqtt.example.com-1"
    assert service.listed("mqtt.example.com") == [described(certificates[name], numbers[name], name)]
    assert service.listed("nothing") == []


def test_expired_ones_are_listed_and_revoked_ones_where_the_name_is_taken(service: Service) -> None:
    """All that can collide by name can be found, each with its status; uploading such a name is refused."""
    certificates = [service.made(days=days) for days in (300, 10, -1, 300)]
    identifiers = [service.add(own_name(made), made) for made in certificates]
    service.revoke(identifiers[3])
    told = {item.identifier: item.status for item in service.listed()}
    assert told == dict(zip(identifiers, ["issued", "willExpire", "expired"], strict=False))
    found = [service.hosted.find_after_name_taken(own_name(made)) for made in certificates]
    assert [[(item.identifier, item.status) for item in items] for items in found] == [
        [(identifier, status)]
        for identifier, status in zip(identifiers, ["issued", "willExpire", "expired", "revoked"], strict=True)
    ]
    other = service.made()
    for made in certificates:
        assert failure(lambda: service.upload(other, name=own_name(made))) == (NameTakenError, "NameRepeat")  # noqa: B023
    records = [service.hosted.by_identifier(identifier) for identifier in identifiers]
    assert [item.status if item else "" for item in records] == ["issued", "issued", "expired", "issued"]


def test_a_taken_name_is_exactly_that_name(service: Service) -> None:
    """One that only begins so is another certificate."""
    first, second = service.made(), service.made()
    service.add("name", first)
    service.add("name-2", second)
    assert [item.name for item in service.hosted.find_after_name_taken("name")] == ["name"]


def test_an_upload_is_idempotent_by_its_token(service: Service) -> None:
    """The same upload again is the same copy; the same name with another token or certificate is taken."""
    made, other = service.made(), service.made()
    number = service.upload(made)
    assert service.upload(made) == number
    taken = (NameTakenError, "NameRepeat")
    assert failure(lambda: service.upload(made, token="another")) == taken
    assert failure(lambda: service.upload(other, name=own_name(made))) == taken
    assert service.listed() == [described(made, number)]


def test_what_the_service_would_not_take_is_rejected(service: Service) -> None:
    """A key of another certificate, an expired certificate, and too long a name; nothing is hosted."""
    made, other, past = service.made(), service.made(), service.made(days=-1)
    uploads = (
        lambda: service.upload(made, key=other),
        lambda: service.upload(past),
        lambda: service.upload(made, name="n" * 64),
    )
    assert [failure(upload) for upload in uploads] == [
        (RejectedError, "ParseCertificateFailed"),
        (RejectedError, "CertificateExpired"),
        (RejectedError, "DataTooLongException"),
    ]
    assert service.hosted.find("") == ()
    service.upload(made, name="n" * 63)
    assert len(service.hosted.find("")) == 1


@pytest.mark.parametrize(
    "identifier", ["", "-", "cn-hangzhou", "9-cn-hangzhou", "9" * 40, "²-cn-hangzhou", "-1-cn-hangzhou"]
)
def test_an_identifier_of_nothing_is_none(service: Service, identifier: str) -> None:
    """Whatever it looks like."""
    assert service.hosted.by_identifier(identifier) is None


def test_an_identifier_is_taken_as_a_whole(service: Service) -> None:
    """The same number at another place is another certificate."""
    number = service.upload(service.made())
    found = [service.hosted.by_identifier(f"{number}{end}") for end in ("", "-cn-hangzhou", "-ap-southeast-1")]
    assert [item is not None for item in found] == [False, True, False]


def test_what_is_not_hosted_can_not_be_read_back(service: Service) -> None:
    """A number that nobody gave."""
    assert failure(lambda: service.hosted.read_back(7)) == (NotFoundError, "NotFound")


def test_a_deleted_certificate_is_gone(service: Service) -> None:
    """Deleting is idempotent, touches one certificate alone, frees the name, and the number is not given again."""
    made, other = service.made(), service.made()
    number, left = service.upload(made), service.upload(other)
    for _ in range(2):
        service.removal.delete(number)
        assert service.listed() == [described(other, left)]
    service.removal.delete(7)
    assert service.hosted.by_identifier(f"{number}-cn-hangzhou") is None
    assert service.upload(made) not in {number, left}
    assert len(service.listed()) == 2


def test_products_that_use_a_certificate_are_listed(service: Service) -> None:
    """The listing tells them, the record does not."""
    used, free = service.made(), service.made()
    numbers = [service.upload(made) for made in (used, free)]
    service.use(f"{numbers[0]}-cn-hangzhou", "SLB")
    assert service.listed() == [replace(described(used, numbers[0]), products=("SLB",)), described(free, numbers[1])]
    assert service.hosted.read_back(numbers[0]).products == ()


def test_only_what_this_tool_uploaded_carries_its_tag(service: Service) -> None:
    """A name alone proves nothing."""
    mine, theirs = service.made(), service.made()
    identifiers = [f"{service.upload(mine)}-cn-hangzhou", service.add(own_name(theirs), theirs)]
    found = [service.hosted.by_identifier(identifier) for identifier in identifiers]
    assert [item.tagged if item else None for item in found] == [True, False]


@pytest.mark.parametrize(
    ("fault", "kind", "landed"),
    [
        ("lost_answer", UnansweredError, True),
        ("lost_request", UnansweredError, False),
        ("throttled", ThrottledError, False),
    ],
)
def test_whether_a_lost_call_landed_is_told_by_the_listing(
    service: Service, fault: str, kind: type[ServiceError], *, landed: bool
) -> None:
    """No error of a change says more than that, and repeating either of them is safe."""
    made = service.made()
    service.arm(fault, "UploadUserCertificate")
    assert failure(lambda: service.upload(made))[0] is kind
    assert len(service.listed()) == landed
    number = service.upload(made)
    assert service.listed() == [described(made, number)]
    service.arm(fault, "DeleteUserCertificate")
    assert failure(lambda: service.removal.delete(number))[0] is kind
    assert len(service.listed()) == (not landed)
    service.removal.delete(number)
    assert service.listed() == []


@pytest.mark.parametrize("action", ["ListCertificates", "GetUserCertificateDetail"])
def test_a_lost_read_may_be_repeated(service: Service, action: str) -> None:
    """It is an error and not an absence, and the next one answers."""
    made = service.made()
    number = service.upload(made)
    reads: dict[str, tuple[Callable[[], object], ...]] = {
        "ListCertificates": (lambda: service.hosted.find(PREFIX), lambda: service.hosted.find_after_name_taken(PREFIX)),
        "GetUserCertificateDetail": (
            lambda: service.hosted.read_back(number),
            lambda: service.hosted.by_identifier(f"{number}-cn-hangzhou"),
        ),
    }
    for read in reads[action]:
        service.arm("lost_answer", action)
        assert failure(read)[0] is UnansweredError
        read()
    assert service.listed() == [described(made, number)]


def test_all_are_listed_however_many_there_are(service: Service) -> None:
    """More than fit on one page of the service, and none twice."""
    made = service.made()
    identifiers = [service.add(f"{PREFIX}{number:03}", made) for number in range(101)]
    assert [item.identifier for item in service.listed()] == identifiers
