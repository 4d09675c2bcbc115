"""``provisioner issue``."""

from typing import Annotated

import typer

from provisioner.cli.options import JsonOption, configuration_of
from provisioner.cli.output import out, print_json


def issue(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A certificate by its name in the configuration.")],
    json_output: JsonOption = False,
) -> None:
    """Make a new certificate in the key store, whether or not one is there; nothing is uploaded or switched."""
    from provisioner.pki import Authority, FileKeyStore, LocalIssuer
    from provisioner.runs.system_clock import SystemClock
    from provisioner.settings import load_settings

    sections = ("authority", "certificates", "key_store", "account")
    loaded = load_settings(configuration_of(context), sections)
    specification = loaded.specification(name)
    found = loaded.authority()
    authority = Authority(
        loaded.path(found.certificate),
        loaded.path(found.private_key) if found.private_key else None,
        lambda: loaded.secret(found.private_key_password, "authority.private_key_password"),
    )
    key_store = FileKeyStore(loaded.key_store)
    leaf = LocalIssuer(authority, key_store, SystemClock()).issue(specification)
    where = key_store.generation(name, leaf.sha256)
    if json_output:
        print_json(
            {
                "schema": "provisioner.issue/1",
                "name": name,
                "fingerprint_sha256": leaf.sha256,
                "not_after": leaf.not_after.isoformat(),
                "certificate": str(where / "certificate.pem"),
                "chain": str(where / "chain.pem"),
                "private_key": str(where / "private-key.pem"),
            }
        )
        return
    out.print(f"issued {leaf.key} certificate {name}, valid until {leaf.not_after:%Y-%m-%d}", highlight=False)
    out.print(f"  SHA-256  {leaf.sha256}", highlight=False, soft_wrap=True)
    for file in ("certificate.pem", "chain.pem", "private-key.pem"):
        out.print(f"  {where / file}", highlight=False, soft_wrap=True)
