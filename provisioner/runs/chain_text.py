"""Chains in PEM, taken apart."""

import ssl

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def ders(chain_pem: str) -> tuple[bytes, ...]:
    """Return the certificates of a chain as DER, in their order. Raises ``ValueError`` when there is none."""
    blocks = [block for block in chain_pem.split(_END)[:-1] if _BEGIN in block]
    if not blocks:
        raise ValueError("no certificate in PEM")
    return tuple(ssl.PEM_cert_to_DER_cert(block[block.index(_BEGIN) :] + _END) for block in blocks)
