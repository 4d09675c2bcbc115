"""Which of the registered device CAs the canary's certificate chains to."""

import ssl
from dataclasses import replace

from provisioner.planning.observed import DeviceCAs
from provisioner.ports import Canary, CertificateReader

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


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
        canary_certificate=reader.read(first_der(chain)),
        canary_signers=None if seen.unknown else tuple(signers),
    )


def first_der(chain_pem: str) -> bytes:
    """Return the first certificate of a chain as DER. Raises ``ValueError`` when there is none."""
    begin = chain_pem.index(_BEGIN)
    return ssl.PEM_cert_to_DER_cert(chain_pem[begin : chain_pem.index(_END, begin) + len(_END)])
