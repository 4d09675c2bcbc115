"""The demo, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

from provisioner.cli.demo_story import ACTS


def test_the_demo_proves_its_acts_and_prints_one_document(tmp_path: Path) -> None:
    """Every act is proven; stdout holds the document alone, and stderr the story with its shortened times."""
    command = [sys.executable, "-m", "provisioner", "demo", "--json", "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    document = json.loads(done.stdout)
    assert [(act["name"], act["ok"], act["detail"]) for act in document["acts"] if not act["ok"]] == []
    assert (done.returncode, document["schema"], document["ok"]) == (0, "provisioner.demo/1", True)
    assert (sorted(document), [act["name"] for act in document["acts"]]) == (["acts", "ok", "schema"], list(ACTS))
    assert {tuple(sorted(act)) for act in document["acts"]} == {("detail", "name", "ok", "seconds")}
    facts = ["Restarts take seconds instead of 5 to 10 minutes", f"{len(ACTS)} of {len(ACTS)} acts proven on the wire"]
    facts += ["Clients were cut off for", f"Files are in {tmp_path}"]
    assert [fact for fact in facts if fact not in done.stderr] == []
    assert [path.name for path in tmp_path.glob("*/provisioner.toml")] == ["provisioner.toml"]
