"""The command lines in ``config/``, as whoever starts them would start them."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CONFIG = Path(__file__).parents[2] / "config"
INSTALLED = "/opt/provisioner/bin/provisioner"
CONFIGURATION = "/etc/provisioner/provisioner.toml"
_FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
# How READMEs name the program: by its path, by an alias or in a pod, and as an image.
_BY_HAND = re.compile(
    rf"(?:{INSTALLED}(?: --config {CONFIGURATION})?|^provisioner|-- provisioner|provisioner:0\.1\.0) "
)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command line, where it stands, and the environment that comes with it."""

    place: str
    words: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def command_lines() -> list[CommandLine]:
    """Return every command line of the product that stands in ``config/``."""
    return [*_unit(), *_cron(), *_container(), *_pods(), *_by_hand()]


def documents() -> dict[str, Any]:
    """Return every Kubernetes document, by file and place in it."""
    return {
        f"{path.name}#{number}": document
        for path in sorted((CONFIG / "kubernetes").glob("*.yaml"))
        for number, document in enumerate(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    }


def instructions(stage: int = -1) -> list[tuple[str, str]]:
    """Return the container file's instructions from one of its FROM lines on, each with its arguments."""
    text = (CONFIG / "container" / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    stages: list[list[tuple[str, str]]] = []
    for name, arguments in lines:
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, arguments))
    return stages[stage]


def image_environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    given = [words for name, words in instructions() if name == "ENV"]
    return dict(pair.split("=", 1) for words in given for pair in shlex.split(words))


def pod_specs() -> Iterator[tuple[str, Any]]:
    """Return the specification of every pod, with its place."""
    for place, document in documents().items():
        if document["kind"] == "Pod":
            yield place, document["spec"]
        if document["kind"] == "CronJob":
            yield place, document["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def _unit() -> Iterator[CommandLine]:
    for path in sorted((CONFIG / "systemd").glob("*.service")):
        for line in re.findall(r"^ExecStart=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            yield CommandLine(path.name, tuple(shlex.split(line)))


def _cron() -> Iterator[CommandLine]:
    text = (CONFIG / "cron" / "provisioner").read_text(encoding="utf-8")
    for line in re.findall(r"^(?:\S+ ){5}provisioner (/.*)$", text, re.MULTILINE):
        yield CommandLine("cron", tuple(shlex.split(line)))


def _container() -> Iterator[CommandLine]:
    entry, given = _entry_point()
    yield CommandLine("Containerfile", (*entry, *given), image_environment())


def _pods() -> Iterator[CommandLine]:
    entry, _ = _entry_point()
    for place, spec in pod_specs():
        for container in spec["containers"]:
            words = (*container.get("command", entry), *container.get("args", ()))
            if words[0] == INSTALLED:
                yield CommandLine(place, words, image_environment())


def _by_hand() -> Iterator[CommandLine]:
    for path in sorted(CONFIG.glob("**/README.md")):
        for block in _FENCE.findall(path.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                found = _BY_HAND.search(line)
                if found is not None and not line.startswith("alias ") and " build " not in line:
                    words = shlex.split(line[found.end() :], comments=True)
                    place = f"{path.parent.name}: {' '.join(words)}"
                    yield CommandLine(place, (INSTALLED, *words), {"PROVISIONER_CONFIG": CONFIGURATION})


def _entry_point() -> tuple[list[str], list[str]]:
    given = dict(instructions())
    return json.loads(given["ENTRYPOINT"]), json.loads(given["CMD"])
