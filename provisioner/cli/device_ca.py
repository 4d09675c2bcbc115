"""``provisioner device-ca``."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.asking import confirm, known_passphrase
from provisioner.cli.help import App
from provisioner.cli.options import JsonOption, NameArgument, configuration_of
from provisioner.cli.output import out, print_json
from provisioner.errors import UsageError

if TYPE_CHECKING:
    from provisioner.cli.composition import Composition
    from provisioner.model.desired import Desired
    from provisioner.model.instance import DeviceCA
    from provisioner.runs.device_cas import Change, Registrar

app = App(help="The device CAs of an instance: who signs the certificates that devices log in with.")

SerialArgument = Annotated[str, typer.Argument(metavar="SERIAL", help="The CA's serial number, as listed.")]
_LONGEST_NAME = 64


@app.command("list")
def list_(context: typer.Context, name: NameArgument, json_output: JsonOption = False) -> None:
    """List the device CAs of an instance: status, validity, and whether the canary's certificate chains to them."""
    from provisioner.reporting.device_cas import listing_document, print_listing

    with _opened(context, name, create_state=False) as opened:
        opened.registrar.instance()
        seen, at = opened.registrar.listing(), opened.composition.clock.now()
    if json_output:
        print_json(listing_document(opened.desired, seen, at))
    else:
        print_listing(out, opened.desired, seen, at)


@app.command()
def register(
    context: typer.Context,
    name: NameArgument,
    certificate: Annotated[
        Path, typer.Option("--certificate", metavar="FILE", help="The device CA's certificate, PEM.")
    ],
    private_key: Annotated[
        Path,
        typer.Option("--private-key", metavar="FILE", help="Its key, PEM; it signs a proof here and goes nowhere."),
    ],
    passphrase_env: Annotated[
        str | None, typer.Option("--passphrase-env", metavar="NAME", help="Variable that holds the key's passphrase.")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="File that holds the key's passphrase.")
    ] = None,
    ca_name: Annotated[
        str | None, typer.Option("--name", metavar="TEXT", help="Its name in the service; the CA's common name else.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Register a device CA with an instance, active from then on; registered already is a success too."""
    from provisioner.pki import LocalDeviceAuthority

    password = known_passphrase(passphrase_env, passphrase_file, "Passphrase of the device CA's key")
    authority = LocalDeviceAuthority(certificate, private_key, password)
    label = _checked(ca_name) if ca_name is not None else _label(authority.certificate.subject)
    with _held(context, name) as opened:
        _tell(opened, "register", opened.registrar.register(authority, label), json_output=json_output)


@app.command()
def activate(
    context: typer.Context, name: NameArgument, serial: SerialArgument, json_output: JsonOption = False
) -> None:
    """Let the devices of a registered CA log in again."""
    with _held(context, name) as opened:
        _tell(opened, "activate", opened.registrar.activate(serial), json_output=json_output)


@app.command()
def deactivate(
    context: typer.Context,
    name: NameArgument,
    serial: SerialArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer the question before devices are refused.")] = False,
    unsafe_allow_lockout: Annotated[
        bool,
        typer.Option("--unsafe-allow-lockout", help="Go on although no device may be able to log in afterwards."),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Refuse new logins of the devices of a registered CA; the last CA that lets devices in is kept."""

    def approve(found: "DeviceCA") -> None:
        question = (
            f"{name}: from then on new logins of devices are refused whose certificates were signed by device CA "
            f"{found.name} ({found.serial}).\nRefuse them from now on?"
        )
        confirm(question, assume_yes=yes, what_for="refusing devices", look=f"provisioner device-ca list {name}")

    with _held(context, name) as opened:
        change = opened.registrar.deactivate(serial, approve, unsafe_allow_lockout=unsafe_allow_lockout)
        _tell(opened, "deactivate", change, json_output=json_output)


@dataclass(frozen=True, slots=True)
class _Opened:
    composition: "Composition"
    desired: "Desired"
    registrar: "Registrar"


@contextmanager
def _opened(context: typer.Context, name: str, *, create_state: bool) -> Iterator[_Opened]:
    from provisioner.cli.composition import Composition
    from provisioner.runs.device_cas import Registrar

    with Composition(configuration_of(context), create_state=create_state) as composition:
        composition.chosen([name])
        desired = composition.loaded.desired(name)
        registrar = Registrar(desired, composition.seams(name).reads, composition.device_ca_registry())
        yield _Opened(composition, desired, registrar)


@contextmanager
def _held(context: typer.Context, name: str) -> Iterator[_Opened]:
    """Lend what works on an instance, under its lock."""
    from provisioner.cli.running import new_run_id

    with _opened(context, name, create_state=True) as opened:
        run = new_run_id(opened.composition.clock.now())
        with opened.composition.locks.hold(name, run):
            yield opened


def _tell(opened: _Opened, command: str, change: "Change", *, json_output: bool) -> None:
    from provisioner.reporting.cleaning import clean
    from provisioner.reporting.device_cas import change_document

    if json_output:
        at = opened.composition.clock.now()
        print_json(change_document(command, opened.desired, change, at))
        return
    out.print(f"{clean(opened.desired.name)}: {clean(change.message)}", highlight=False, soft_wrap=True)
    if change.hint:
        out.print(f"Next: {clean(change.hint)}", highlight=False, soft_wrap=True)


def _checked(text: str) -> str:
    if not 0 < len(text.strip()) <= _LONGEST_NAME or not text.isprintable():
        raise UsageError(
            f"--name: expected 1 to {_LONGEST_NAME} printable characters, got {len(text)}; nothing was registered",
            hint="leave --name out to take the CA's common name",
        )
    return text.strip()


def _label(subject: str) -> str:
    """Return a name as the documents show one (``mqtt_ca``), made of the common name."""
    found = re.search(r"(?:^|,)CN=((?:\\.|[^,\\])+)", subject)
    plain = re.sub(r"[^A-Za-z0-9]+", "_", found.group(1) if found else "").strip("_")
    return plain[:_LONGEST_NAME] or "device_ca"
