"""Which of the registered device CAs the canary's certificate chains to."""

from dataclasses import replace

from provisioner.planning.observed import DeviceCAs
from provisioner.ports import Canary, CertificateReader
from provisioner.runs.chain_text import ders


def with_canary(seen: DeviceCAs, canary: Canary | None, reader: CertificateReader) -> DeviceCAs:
    """Return the device CAs together with what the canary's certificate has to do with them.

    Raises ``UnusableError`` when that certificate can't be read.
    """
    if canary is None:
        return seen
    chain = canary.chain_pem
    signers = (item.serial for item in seen.registered if reader.chains_to(chain, item.certificate_pem))
    return replace(
        seen,
        canary_certificate=reader.read(ders(chain)[0]),
        canary_signers=None if seen.unknown else tuple(signers),
    )
