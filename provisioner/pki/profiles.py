"""The extensions of issued leaves, by profile."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from provisioner.model.certificate import Profile


@dataclass(frozen=True, slots=True)
class ProfileExtension:
    """An extension's value and whether it is critical."""

    value: x509.ExtensionType
    critical: bool


def fixed_extensions(profile: Profile, *, rsa_key: bool) -> tuple[ProfileExtension, ...]:
    """Return the extensions that depend on the profile and the kind of key alone.

    ``strict`` is accepted by every verifier that was measured. ``guide`` is Alibaba's recipe to the letter (public page
    "Manage server certificates", August 2025): the same key usages for RSA and EC, ``keyCertSign`` included, nothing
    critical, no extended key usage. A newer Chinese copy of the page adds serverAuth and clientAuth; the older text is
    kept, because it is the one that all translations share.
    """
    if profile is Profile.STRICT:
        return (
            ProfileExtension(x509.BasicConstraints(ca=False, path_length=None), critical=True),
            ProfileExtension(_usage(key_encipherment=rsa_key), critical=True),
            ProfileExtension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False),
        )
    return (
        ProfileExtension(x509.BasicConstraints(ca=False, path_length=None), critical=False),
        ProfileExtension(
            _usage(key_encipherment=True, content_commitment=True, data_encipherment=True, key_cert_sign=True),
            critical=False,
        ),
    )


def _usage(
    *,
    key_encipherment: bool,
    content_commitment: bool = False,
    data_encipherment: bool = False,
    key_cert_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=content_commitment,
        key_encipherment=key_encipherment,
        data_encipherment=data_encipherment,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
