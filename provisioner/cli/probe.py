"""``provisioner probe``."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.options import JsonOption
from provisioner.cli.output import err, out, print_json
from provisioner.reporting.layout import print_next

if TYPE_CHECKING:
    from provisioner.model.certificate import Leaf
    from provisioner.model.reading import AddressReading

_NOTHING_ANSWERED = 6
_NEXT = "check name, port and the way there (firewall, allowlist); in a restart wait, and look again"
_COMMA = re.compile(r"(?<!\\),")


def probe(
    endpoint: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="The endpoint; port 8883 when left out.")],
    connect_to: Annotated[
        str | None, typer.Option("--connect-to", metavar="ADDRESS", help="Connect here instead of resolving the name.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Look at an endpoint as a client without certificate; needs no configuration."""
    from provisioner.errors import UsageError
    from provisioner.model.instance import Endpoint
    from provisioner.settings.names import split_endpoint
    from provisioner.wire.probe import StdlibWireProbe
    from provisioner.wire.resolver import SystemResolver

    try:
        host, port = split_endpoint(endpoint)
    except ValueError as error:
        raise UsageError(f"endpoint {endpoint!r}: {error}", hint="provisioner probe --help") from None
    target = Endpoint(host, port, connect_to)
    looker = StdlibWireProbe()
    readings = [looker.probe(target, address) for address in SystemResolver().resolve(target)]
    if json_output:
        instances = [_document(item, _leaf(item)) for item in readings]
        print_json({"schema": "provisioner.probe/1", "endpoint": str(target), "addresses": instances})
    else:
        for item in readings:
            _print(item, _leaf(item), host)
    answered = any(item.leaf_sha256 for item in readings)
    if not answered and not json_output:
        print_next(err, _NEXT)
    raise typer.Exit(0 if answered else _NOTHING_ANSWERED)


def _leaf(item: "AddressReading") -> "Leaf | None":
    from provisioner.errors import UnusableError
    from provisioner.pki import DerCertificateReader

    try:
        return DerCertificateReader().read(item.chain[0]) if item.chain else None
    except UnusableError:
        return None


def _print(item: "AddressReading", leaf: "Leaf | None", host: str) -> None:
    from provisioner.planning.satisfies import covers
    from provisioner.reporting.layout import print_item, print_items

    print_item(out, item.address, _summary(item), style="bold")
    rows = []
    if item.leaf_sha256:
        rows += [("TLS", (item.tls_version or "?").removeprefix("TLSv")), ("SHA-256", item.leaf_sha256)]
    if leaf is not None:
        covered = "covers the host" if covers(leaf.dns_names, host) else f"does NOT cover {host}"
        rows += [
            ("names", f"{', '.join(leaf.dns_names) or 'none'} ({covered})"),
            ("subject", leaf.subject_words),
            ("issuer", _COMMA.sub(", ", leaf.issuer)),
            ("key", leaf.key),
            ("valid", f"{leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d %H:%M} UTC"),
            ("chain", f"{len(item.chain)} certificates" if item.chain_complete else "hidden by TLS 1.3"),
        ]
    print_items(out, rows, width=7)


def _summary(item: "AddressReading") -> str:
    from provisioner.model.reading import Required, Stage

    if item.leaf_sha256 is None:
        return f"{'no connection' if item.stage is Stage.CONNECT else 'no TLS'}: {item.failure}"
    inferred = " (inferred)" if item.inferred else ""
    if not item.asked:
        answer = "MQTT answers" if item.connack is not None else f"no MQTT answer: {item.failure}"
        return f"one-way{inferred}: no client certificate is asked for; {answer}"
    words = {
        Required.YES: f"mutual{inferred}: a client without certificate is refused ({item.failure})",
        Required.LIKELY: f"mutual{inferred}, likely: a client without certificate is cut off without an alert",
        Required.NO: f"one-way{inferred}: a client certificate is asked for and not required",
        Required.UNKNOWN: f"a client certificate is asked for{inferred}; required or not is open: {item.failure}",
    }
    return words[item.required]


def _document(item: "AddressReading", leaf: "Leaf | None") -> dict[str, object]:
    return {
        "address": item.address,
        "stage": item.stage.value,
        "failure": item.failure,
        "timed_out": item.timed_out,
        "tls_version": item.tls_version,
        "leaf_sha256": item.leaf_sha256,
        "dns_names": list(leaf.dns_names) if leaf else None,
        "subject": leaf.subject if leaf else None,
        "issuer": leaf.issuer if leaf else None,
        "key": leaf.key if leaf else None,
        "not_before": leaf.not_before.isoformat() if leaf else None,
        "not_after": leaf.not_after.isoformat() if leaf else None,
        "chain_length": len(item.chain) if item.chain_complete else None,
        "client_certificate_asked": item.asked,
        "client_certificate_required": item.required.value,
        "inferred": item.inferred,
        "connack": item.connack,
        "seconds": round(item.seconds, 3),
    }
