"""Material for rehearsals: CAs, servers and devices of every shape, valid today, as files."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from provisioner.model.certificate import MaterialFiles
from provisioner.model.rehearsal import RehearsedSession
from provisioner.model.secret import Secret
from provisioner.pki.issuing import authority_key_identifier
from provisioner.wire.rehearsal import DeviceCertificate, LoopbackRehearsal
from tests.fakes.authorities import CA_TRUE, SIGNS, Extension, Key, Made, make, usage, write_key

HOST = "mqtt-cn-x.mqtt.aliyuncs.com"
NOW = datetime.now(UTC).replace(microsecond=0)
TOMORROW = NOW + timedelta(days=1)
Dates = tuple[datetime, datetime]
VALID: Dates = (NOW - timedelta(days=1), NOW + timedelta(days=30))
EXPIRED: Dates = (NOW - timedelta(days=10), NOW - timedelta(days=1))
NO_CA: Extension = (x509.BasicConstraints(ca=False, path_length=None), True)
SIGNING: Extension = (usage("digital_signature", "key_encipherment"), True)
FOR_SERVERS: Extension = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
FOR_CLIENTS: Extension = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)


def names(*texts: str) -> Extension:
    """Return names and addresses of a certificate."""
    return x509.SubjectAlternativeName([_name(text) for text in texts]), False


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@dataclass(frozen=True)
class Theatre:
    """A folder in which everything for a rehearsal is made."""

    folder: Path
    _numbers: "count[int]"

    def ca(
        self,
        name: str,
        *extensions: Extension,
        issuer: Made | None = None,
        key: Key | None = None,
        dates: Dates = VALID,
    ) -> Made:
        """Make a CA, a good one unless there are extensions."""
        return self._make(name, *(extensions or (CA_TRUE, SIGNS)), issuer=issuer, key=key, dates=dates)

    def server(self, issuer: Made, *extensions: Extension, key: Key | None = None, dates: Dates = VALID) -> Made:
        """Make a server's certificate for ``HOST``, a strict one unless there are extensions."""
        wanted = extensions or (NO_CA, SIGNING, FOR_SERVERS, names("*.mqtt.aliyuncs.com"))
        return self._make("server", *wanted, issuer=issuer, key=key, dates=dates)

    def device(self, issuer: Made, *extensions: Extension, key: Key | None = None, dates: Dates = VALID) -> Made:
        """Make a device's certificate."""
        return self._make("device", *(extensions or (NO_CA, FOR_CLIENTS)), issuer=issuer, key=key, dates=dates)

    def files(self, *chain: Made, key: Made | None = None, password: bytes | None = None) -> MaterialFiles:
        """Write a chain with its key, or somebody else's."""
        folder = self._folder()
        (folder / "chain.pem").write_text("".join(made.pem for made in chain), encoding="ascii")
        private = write_key(folder / "private-key.pem", (key or chain[0]).key, password)
        return MaterialFiles(folder / "chain.pem", private)

    def canary(self, *chain: Made, key: Made | None = None, password: bytes | None = None) -> DeviceCertificate:
        """Write a device's chain with its key."""
        files = self.files(*chain, key=key, password=password)
        return DeviceCertificate(files.chain, files.private_key, Secret(password.decode()) if password else None)

    def _make(
        self,
        name: str,
        *extensions: Extension,
        issuer: Made | None,
        key: Key | None,
        dates: Dates,
    ) -> Made:
        issued = ((authority_key_identifier(issuer.certificate), False),) if issuer else ()
        return make(self._folder(), name, *extensions, *issued, issuer=issuer, key=key, begin=dates[0], end=dates[1])

    def _folder(self) -> Path:
        folder = self.folder / str(next(self._numbers))
        folder.mkdir()
        return folder


def theatre(folder: Path) -> Theatre:
    """Return an empty theatre."""
    return Theatre(folder, count())


def play(
    files: MaterialFiles,
    trust: Made | None,
    *wanted: str,
    device: DeviceCertificate | None = None,
    device_cas: tuple[str, ...] = (),
) -> tuple[RehearsedSession, ...]:
    """Rehearse for some names, ``HOST`` when none is wanted."""
    rehearsal = LoopbackRehearsal([trust.pem] if trust else None, device, timedelta(seconds=30))
    return rehearsal.rehearse(wanted or (HOST,), files, device_cas)


def both(
    failure: str = "", strict_failure: str = "", *, name: str = HOST, client_certificate: bool = False
) -> tuple[RehearsedSession, ...]:
    """Return the same session in both versions of TLS."""
    versions = ("TLSv1.2", "TLSv1.3")
    return tuple(RehearsedSession(name, version, failure, strict_failure, client_certificate) for version in versions)
