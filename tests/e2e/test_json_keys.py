"""The JSON objects have the keys that the README lists, and no others."""

import re
from collections.abc import Mapping
from pathlib import Path

from tests.documents import readme
from tests.e2e.conftest import INSTANCE, Cloud

_ANY = {"any", "when it ended before it had a result of its own"}
_SOURCES = readme.README.parent / "provisioner"


def documented() -> dict[tuple[str, str], dict[str, set[str]]]:
    """Return what the README lists: the keys at each path, by schema and command."""
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    paths: dict[str, set[str]] = {}
    keys: set[str] = set()
    for line in readme.block_behind("json-keys"):
        if not line.startswith(" "):
            schema, commands = line.split(maxsplit=1)
            paths = {}
            found |= {(schema, command.strip()): paths for command in commands.split(", ")}
            continue
        if not line.startswith("   "):
            path, *rest = line.split(maxsplit=1)
            keys = paths.setdefault(path, set())
            line = rest[0] if rest else ""  # noqa: PLW2901  what follows the path
        keys |= {key for key in re.split(r",\s*", line.strip()) if key}
    return found


def unlike(value: object, paths: Mapping[str, set[str]], path: str = "") -> list[str]:
    """Return where a JSON value has other keys than those listed; an empty list shows none."""
    if isinstance(value, list):
        return [found for item in value for found in unlike(item, paths, f"{path}[]")]
    if not isinstance(value, dict):
        return []
    listed = {key.removesuffix("[]"): key.endswith("[]") for key in paths.get(path or ".", set())}
    wrong = [f"{path or '.'}: {sorted(value.keys() ^ listed.keys())}"] if value.keys() != listed.keys() else []
    wrong += [f"{path}.{key}: a list?" for key in value if isinstance(value[key], list) is not listed.get(key, False)]
    inner = [unlike(value[key], paths, f"{path}.{key}".lstrip(".")) for key in value]
    return wrong + [found for item in inner for found in item]


def test_every_object_has_the_keys_of_the_readme(cloud: Cloud, tmp_path: Path) -> None:
    """First switch, refusals, device CAs and pruning: object by object, key by key."""
    name, address, port = cloud.sandbox.endpoint(INSTANCE)
    other = ("--certificate", str(tmp_path / "ca.crt"), "--private-key", str(tmp_path / "ca.key"))
    lines = (
        ("plan",),
        ("check",),
        ("apply", "--yes"),
        ("status",),
        ("rotate",),
        ("rollback", "prod", "--to", "one-way", "--yes"),
        ("status",),
        ("plan",),
        ("resume",),
        ("probe", f"{name}:{port}", "--connect-to", address),
        ("issue", "iot"),
        ("ca", "create", *other, "--no-passphrase"),
        ("ca", "show"),
        ("prune",),
        ("device-ca", "list", "prod"),
        ("device-ca", "register", "prod", *other),
        ("plan", "nobody"),
    )
    listed = documented()
    for line in lines:
        shown = cloud.run(*line, "--json").document
        command = " ".join(line[:2]) if line[0] in {"ca", "device-ca"} else line[0]
        schema = shown.pop("schema")
        paths = next(item for (of, verb), item in listed.items() if of == schema and verb in {command, *_ANY})
        assert unlike(shown, paths) == [], (line, shown)


def test_every_schema_of_the_code_is_in_the_readme() -> None:
    """None is missing, and none is listed that does not exist."""
    texts = [path.read_text(encoding="utf-8") for path in _SOURCES.rglob("*.py")]
    used = {found for text in texts for found in re.findall(r'"(provisioner\.[a-z-]+/[0-9]+)"', text)}
    assert {schema for schema, _ in documented()} == used
