"""``provisioner sandbox``."""

import contextlib
import json
import shlex
import sys
import textwrap
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from provisioner.cli.help import App
from provisioner.cli.output import err

if TYPE_CHECKING:
    from provisioner.cli.sandbox_files import SandboxFiles
    from provisioner.sandbox import Sandbox

app = App(help="A local stand-in for the cloud, to try every command on.")


@app.callback()
def root() -> None:
    """Keep ``serve`` a verb of its own."""


@app.command()
def serve(
    directory: Annotated[
        Path, typer.Option("--directory", metavar="DIR", help="Where configuration, CA and device certificate go.")
    ] = Path("provisioner-sandbox"),
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Of the API; a free one when 0.")
    ] = 0,
    restart_seconds: Annotated[
        float,
        typer.Option(
            "--restart-seconds", metavar="SECONDS", min=0.1, max=3600, help="How long a restart takes, 0.1 to 3600."
        ),
    ] = 5.0,
    faithful: Annotated[
        bool, typer.Option("--faithful", help="Restarts take 5 to 10 minutes, and the waiting rules are production's.")
    ] = False,
    backends: Annotated[
        int, typer.Option("--backends", metavar="N", min=1, max=64, help="How many stand behind the endpoint, 1 to 64.")
    ] = 1,
    balance: Annotated[
        Literal["round_robin", "random", "affinity", "weighted", "least_connections"],
        typer.Option(
            "--balance",
            metavar="KIND",
            help="How a connection's backend is chosen: round_robin, random, affinity, weighted, least_connections.",
        ),
    ] = "round_robin",
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON line when ready.")] = False,
) -> None:
    """Run the sandbox until Ctrl-C, with a ready-made configuration and CA; everything stays on loopback."""
    from provisioner.cli.sandbox_files import QUICK_WAITING, SandboxWriter, require_sandbox

    require_sandbox()
    from provisioner.errors import UsageError
    from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings

    instances = (SandboxInstance(backends=backends, balance=balance),)
    settings = SandboxSettings(instances, restart_seconds=restart_seconds, faithful=faithful, port=port)
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(Sandbox(settings))
        except OSError as error:
            reason = (error.strerror or "unknown reason").lower()
            raise UsageError(
                f"port {port} of loopback can't be used: {reason}; nothing was started", hint="choose another --port"
            ) from None
        writer = SandboxWriter(sandbox, directory)
        writer.write_secrets()
        writer.write_device()
        if not writer.files.authority.exists():
            writer.create_authority()
        names = {"prod": sandbox.instances[0].id}
        writer.write_configuration(names, waiting=None if faithful else QUICK_WAITING)
        if json_output:
            sys.stdout.write(json.dumps(_document(sandbox, writer.files)) + "\n")
            sys.stdout.flush()
        else:
            _tell(sandbox, writer.files)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        err.print("\nThe sandbox has ended, and what it hosted is gone; its files stay.", highlight=False)


def _document(sandbox: "Sandbox", files: "SandboxFiles") -> dict[str, object]:
    return {
        "api": sandbox.api_url,
        "access_key_id": sandbox.access_key_id,
        "access_key_secret": sandbox.access_key_secret,
        "config": str(files.configuration),
        "authority": str(files.authority),
        "instances": [
            {
                "id": item.id,
                "region": item.region,
                "edition": item.edition,
                "endpoint": f"{sandbox.endpoint(item.id)[0]}:{sandbox.endpoint(item.id)[2]}",
            }
            for item in sandbox.instances
        ],
    }


def _tell(sandbox: "Sandbox", files: "SandboxFiles") -> None:
    from provisioner.sandbox.faults import SwitchFault

    instance = sandbox.instances[0].id
    name, address, port = sandbox.endpoint(instance)
    lines = (
        "The sandbox is ready. Ctrl-C ends it.",
        f"  endpoint  {name}:{port}",
        f"            at {address}, as instance prod",
        f"  API       {sandbox.api_url}",
        f"  files     {files.directory}",
        "",
        "In a second terminal:",
        f"  export PROVISIONER_CONFIG={shlex.quote(str(files.configuration))}",
        "  provisioner status",
        "  provisioner plan",
        "  provisioner apply",
        f"  provisioner probe {name}:{port} --connect-to {address}",
        "",
        "To make the next switch go wrong:",
        f"""  curl -d '{{"fault": "wrong_leaf", "instance": "{instance}"}}' {sandbox.api_url}/faults""",
        "Faults of a switch:",
        *textwrap.wrap(", ".join(SwitchFault), 76, initial_indent="  ", subsequent_indent="  "),
    )
    for line in lines:
        err.print(line, markup=False, highlight=False, soft_wrap=True)
