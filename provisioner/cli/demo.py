"""``provisioner demo``."""

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.options import JsonOption
from provisioner.cli.output import err, print_json


def demo(
    directory: Annotated[
        Path,
        typer.Option("--directory", metavar="DIR", help="Each run makes a folder of its own in it."),
    ] = Path("provisioner-demo"),
    json_output: JsonOption = False,
) -> None:
    """Run the whole job on a local sandbox in less than a minute, and prove each act by what the wire shows."""
    from provisioner.cli.demo_story import Story
    from provisioner.cli.sandbox_files import require_sandbox
    from provisioner.errors import InterruptedRunError

    require_sandbox()
    story = Story(directory, err)
    try:
        acts = story.play()
    except KeyboardInterrupt:
        words = "the demo was interrupted; it touches nothing but this machine, and its sandbox has ended"
        raise InterruptedRunError(words, hint="provisioner demo") from None
    ok = bool(acts) and all(act.ok for act in acts)
    if json_output:
        shown = [
            {"name": act.name, "ok": act.ok, "seconds": round(act.seconds, 1), "detail": act.detail} for act in acts
        ]
        print_json({"schema": "provisioner.demo/1", "ok": ok, "acts": shown})
    raise typer.Exit(0 if ok else 1)
