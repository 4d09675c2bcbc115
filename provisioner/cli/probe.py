"""``provisioner probe``."""

from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.options import JsonOption
from provisioner.cli.output import err, out, print_json
from provisioner.reporting.layout import print_next

if TYPE_CHECKING:
    from provisioner.model.certificate import Leaf
    from provisioner.model.instance import Endpoint
    from provisioner.model.reading import AddressReading

_UNDECIDED = 6
_MOST_LOOKS = 1000
_NO_ANSWER = "check name, port and the way there (firewall, allowlist); in a restart wait, and look again"
_NOT_KNOWN = (
    "look again; if it stays so, look from another network, because something on the way may cut or close connections"
)


def probe(
    endpoint: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="The endpoint; port 8883 when left out.")],
    connect_to: Annotated[
        str | None, typer.Option("--connect-to", metavar="ADDRESS", help="Connect here instead of resolving the name.")
    ] = None,
    looks: Annotated[
        int,
        typer.Option(
            "--looks",
            metavar="N",
            min=1,
            max=_MOST_LOOKS,
            help="Connect so often to each address, and count what was met; backends of a balancer may differ.",
        ),
    ] = 1,
    json_output: JsonOption = False,
) -> None:
    """Look at an endpoint as a client without certificate; needs no configuration."""
    from provisioner.cli.looks import look_often
    from provisioner.reporting.probe_json import probe_document
    from provisioner.reporting.probe_text import print_probe
    from provisioner.reporting.sightings import counted
    from provisioner.runs.system_clock import SystemClock
    from provisioner.wire.probe import StdlibWireProbe
    from provisioner.wire.resolver import SystemResolver

    target = _target(endpoint, connect_to)
    found = look_often(
        StdlibWireProbe(), target, SystemResolver().resolve(target), looks, clock=SystemClock(), tell=_tell
    )
    addresses = [counted(address, readings) for address, readings in found.items()]
    answered = any(part.reading.leaf_sha256 for item in addresses for part in item.sightings)
    undecided = any(item.undecided for item in addresses)
    if json_output:
        print_json(probe_document(str(target), addresses, looks, _leaf))
    else:
        print_probe(out, addresses, target.host, _leaf)
        if undecided or not answered:
            print_next(err, _NOT_KNOWN if undecided else _NO_ANSWER)
    raise typer.Exit(_UNDECIDED if undecided or not answered else 0)


def _target(text: str, connect_to: str | None) -> "Endpoint":
    """Return the endpoint. Raises ``UsageError``, for a host that TLS can't ask for, too."""
    from provisioner.errors import UsageError
    from provisioner.model.instance import Endpoint
    from provisioner.settings.names import split_endpoint
    from provisioner.wire.server_name import name_problem

    try:
        host, port = split_endpoint(text)
    except ValueError as error:
        raise UsageError(f"endpoint {text!r}: {error}", hint="provisioner probe --help") from None
    if problem := name_problem(host):
        raise UsageError(f"endpoint {text!r}: {problem}", hint="provisioner probe --help")
    return Endpoint(host, port, connect_to)


def _tell(over: int, total: int) -> None:
    err.print(f"{over} of {total} connections", highlight=False)


def _leaf(item: "AddressReading") -> "Leaf | None":
    from provisioner.errors import UnusableError
    from provisioner.pki import DerCertificateReader

    try:
        return DerCertificateReader().read(item.chain[0]) if item.chain else None
    except UnusableError:
        return None
