"""A rehearsal without sockets."""

from provisioner.model.certificate import MaterialFiles
from provisioner.model.rehearsal import RehearsedSession


class FakeRehearsal:
    """Implements ``ports.Rehearsal``; every handshake goes as ``failure`` and ``strict_failure`` say."""

    def __init__(self) -> None:
        self.failure = ""
        self.strict_failure = ""
        self.client_certificate = True
        self.rehearsed: list[MaterialFiles] = []

    def rehearse(
        self, names: tuple[str, ...], files: MaterialFiles, device_cas_pem: tuple[str, ...]
    ) -> tuple[RehearsedSession, ...]:
        """Return one session for each name and version of TLS."""
        self.rehearsed.append(files)
        shown = self.client_certificate and bool(device_cas_pem)
        return tuple(
            RehearsedSession(name, version, self.failure, self.strict_failure, shown)
            for name in names
            for version in ("TLSv1.2", "TLSv1.3")
        )
