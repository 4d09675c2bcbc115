"""``provisioner ca``."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.asking import passphrase
from provisioner.cli.help import App
from provisioner.cli.options import JsonOption, configuration_of
from provisioner.cli.output import out, print_json, write
from provisioner.model.certificate import KeyType
from provisioner.reporting.layout import print_next

if TYPE_CHECKING:
    from provisioner.settings.conversion import LoadedSettings

app = App(help="The authority: your own CA, which signs the server certificate.")


@app.command()
def create(
    context: typer.Context,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="FILE", help="Certificate to write; else [authority].")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option("--private-key", metavar="FILE", help="Key to write; else [authority].")
    ] = None,
    key: Annotated[KeyType, typer.Option("--key", metavar="TYPE", help=f"One of {', '.join(KeyType)}.")] = (
        KeyType.EC_P256
    ),
    common_name: Annotated[str, typer.Option("--common-name", metavar="TEXT", help="The CA's name.")] = "MQTT CA",
    organization: Annotated[str | None, typer.Option("--organization", metavar="TEXT", help="Company.")] = None,
    country: Annotated[str | None, typer.Option("--country", metavar="XX", help="Two capital letters.")] = None,
    valid_days: Annotated[
        int, typer.Option("--valid-days", metavar="DAYS", min=1, max=36500, help="Lifetime in days, 1 to 36500.")
    ] = 3650,
    passphrase_env: Annotated[
        str | None, typer.Option("--passphrase-env", metavar="NAME", help="Variable that holds the passphrase.")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="File that holds the passphrase.")
    ] = None,
    no_passphrase: Annotated[
        bool, typer.Option("--no-passphrase", help="Leave the key unencrypted, as unattended runs without one need it.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Make a CA; its key is encrypted with a passphrase that is asked for."""
    from provisioner.errors import UsageError
    from provisioner.pki import create_authority
    from provisioner.runs.system_clock import SystemClock
    from provisioner.settings import load_subject

    if (certificate is None) != (private_key is None):
        raise UsageError("--certificate and --private-key come together; nothing was changed", hint="name both")
    configured = certificate is None
    if certificate is None or private_key is None:
        loaded = _loaded(context)
        found = loaded.authority()
        if found.private_key is None:
            raise UsageError(
                "authority.private_key is not configured; nothing was changed",
                hint="name it, or use --certificate and --private-key",
            )
        certificate, private_key = loaded.path(found.certificate), loaded.path(found.private_key)
    subject = load_subject({"country": country, "organization": organization, "common_name": common_name})
    secret = passphrase(passphrase_env, passphrase_file, none=no_passphrase)
    leaf = create_authority(
        key=key,
        subject=subject,
        valid_for=timedelta(days=valid_days),
        certificate=certificate,
        private_key=private_key,
        passphrase=secret,
        now=SystemClock().now(),
    )
    if json_output:
        print_json(
            {
                "schema": "provisioner.ca/1",
                "subject": leaf.subject,
                "fingerprint_sha256": leaf.sha256,
                "key": leaf.key,
                "not_before": leaf.not_before.isoformat(),
                "not_after": leaf.not_after.isoformat(),
                "certificate": str(certificate),
                "private_key": str(private_key),
                "encrypted": secret is not None,
            }
        )
        return
    out.print(f"made CA {leaf.subject_words}, {leaf.key}, valid until {leaf.not_after:%Y-%m-%d}", highlight=False)
    out.print(f"  SHA-256      {leaf.sha256}", highlight=False, soft_wrap=True)
    out.print(f"  certificate  {certificate}", highlight=False, soft_wrap=True)
    locked = "encrypted" if secret is not None else "NOT encrypted: keep this file where only this user can read it"
    out.print(f"  private key  {private_key} ({locked})", highlight=False, soft_wrap=True)
    bundle = "provisioner ca show --bundle > devices-trust.pem, for every device"
    print_next(out, bundle if configured else "name both files in [authority], if this is to sign server certificates")


@app.command()
def show(
    context: typer.Context,
    bundle: Annotated[
        bool, typer.Option("--bundle", help="Print the PEM that devices must trust, and nothing else.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Show the CA, and what strict clients would object to in it."""
    from provisioner.pki import Authority

    loaded = _loaded(context)
    authority = Authority(loaded.path(loaded.authority().certificate))
    if bundle:
        write(authority.bundle_pem())
        return
    facts = authority.facts()
    leaf = facts.certificate
    if json_output:
        print_json(
            {
                "schema": "provisioner.ca/1",
                "subject": leaf.subject,
                "fingerprint_sha256": leaf.sha256,
                "key": leaf.key,
                "not_before": leaf.not_before.isoformat(),
                "not_after": leaf.not_after.isoformat(),
                "objections": list(facts.objections),
                "certificate": str(loaded.path(loaded.authority().certificate)),
            }
        )
        return
    out.print(f"CA {leaf.subject_words}, {leaf.key}", highlight=False, markup=False)
    out.print(f"  SHA-256      {leaf.sha256}", highlight=False, soft_wrap=True)
    out.print(f"  valid        {leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d}", highlight=False)
    for objection in facts.objections:
        out.print(f"  warning      {objection}; strict clients refuse what it signs", highlight=False, soft_wrap=True)


def _loaded(context: typer.Context) -> "LoadedSettings":
    from provisioner.settings import load_settings

    return load_settings(configuration_of(context), ("authority",))
