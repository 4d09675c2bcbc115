"""What the canary's certificate has to do with the registered device CAs, and whether the service lets it in."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from provisioner.planning.observed import DeviceCAs
from provisioner.ports import Canary, CertificateReader
from provisioner.runs.chain_text import ders

Ask = Callable[[str, str], bool | None]
"""Returns whether a device certificate is active, None when that is not known; takes its CA's serial and its own."""


def with_canary(seen: DeviceCAs, canary: Canary | None, reader: CertificateReader, ask: Ask | None = None) -> DeviceCAs:
    """Return the device CAs together with what the canary's certificate has to do with them.

    Args:
        seen: the registered device CAs.
        canary: whose certificate it is.
        reader: reads it.
        ask: asks the service about the certificate itself, once for each registered CA that it chains to until one
            knows it; nobody is asked when there is none.

    Raises ``UnusableError`` when that certificate can't be read.
    """
    if canary is None:
        return seen
    chain = canary.chain_pem
    certificate = reader.read(ders(chain)[0])
    signers = tuple(item.serial for item in seen.registered if reader.chains_to(chain, item.certificate_pem))
    return replace(
        seen,
        canary_certificate=certificate,
        canary_signers=None if seen.unknown else signers,
        canary_certificate_active=None if ask is None else _active(ask, signers, f"{certificate.serial:x}"),
    )


def _active(ask: Ask, signers: Iterable[str], serial: str) -> bool | None:
    answers = (ask(signer, serial) for signer in signers)
    return next((answer for answer in answers if answer is not None), None)
