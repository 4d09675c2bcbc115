"""The examples in ``config/``, looked at by those who will read them: systemd, Kubernetes' schemas, and the product."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

import kubernetes_validate
import pytest

from provisioner import alibaba
from provisioner.alibaba.failures import _PERMISSIONS
from provisioner.settings import load_settings
from tests.e2e.deployed import CONFIG, CONFIGURATION, INSTALLED, documents, image_environment, instructions, pod_specs

ROOT = CONFIG.parent
SDKS = {"yundun-cert": "alibabacloud_cas20200407.client", "mq": "alibabacloud_onsmqtt20200420.client"}
IRREGULAR = {"RegisterCaCertificate": "RegisterCa"}
# systemd rates from 0, nothing in reach, to 100; what it can't know is that this service needs the network.
MOST_EXPOSED = 15


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return a folder with the units, started with the installed program of this environment."""
    program = f'"{Path(sys.executable).with_name("provisioner")}"'  # where it lies, there may be a space
    for path in (CONFIG / "systemd").glob("provisioner-rotate.*"):
        text = path.read_text(encoding="utf-8").replace(INSTALLED, program)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    return tmp_path


def analyze(units: Path, *arguments: str) -> tuple[int, str]:
    """Run systemd-analyze on the units and return its exit code and its complaints."""
    done = subprocess.run(
        ["systemd-analyze", *arguments], cwd=units, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stderr


@pytest.mark.systemd_analyze
def test_systemd_takes_the_units(units: Path) -> None:
    """Service and timer have no key that systemd does not know, and the program is there."""
    names = ["./provisioner-rotate.service", "./provisioner-rotate.timer"]
    assert analyze(units, "verify", "--man=no", *names) == (0, "")


@pytest.mark.systemd_analyze
def test_the_service_has_little_in_reach(units: Path) -> None:
    """What remains exposed is the network and what goes with it."""
    threshold = f"--threshold={MOST_EXPOSED}"
    assert analyze(units, "security", "--offline=yes", threshold, "./provisioner-rotate.service") == (0, "")


@pytest.mark.systemd_analyze
def test_a_unit_with_a_mistake_is_noticed(units: Path) -> None:
    """A key that is none is told, so that the test above can fail."""
    path = units / "provisioner-rotate.service"
    path.write_text(path.read_text(encoding="utf-8").replace("LimitCORE", "LimitCores"), encoding="utf-8")
    _, complaints = analyze(units, "verify", "--man=no", f"./{path.name}")
    assert "LimitCores" in complaints


@pytest.mark.parametrize("place", documents())
def test_kubernetes_takes_the_manifests(place: str) -> None:
    """Every document fits the published schema, and has no key beside it."""
    version = kubernetes_validate.latest_version()
    assert version.startswith(kubernetes_validate.validate(documents()[place], version, strict=True))


def test_what_the_pods_mount_is_there() -> None:
    """Volumes and mounts match, and name objects of the same files; both pods mount the same."""
    kinds = {(item["kind"], item["metadata"]["name"]) for item in documents().values()}
    specs = dict(pod_specs())
    assert {("ConfigMap", "provisioner"), ("Secret", "provisioner"), ("PersistentVolumeClaim", "provisioner-state")} < {
        *kinds
    }
    one, other = specs.values()
    assert one["volumes"] == other["volumes"]
    assert one["securityContext"] == other["securityContext"]
    for spec in (one, other):
        (container,) = spec["containers"]
        assert {item["name"] for item in container["volumeMounts"]} == {item["name"] for item in spec["volumes"]}
        assert _named(spec["volumes"]) == {
            ("ConfigMap", "provisioner"),
            ("PersistentVolumeClaim", "provisioner-state"),
            ("Secret", "provisioner"),
        }


def _named(volumes: list[dict[str, Any]]) -> set[tuple[str, str]]:
    keys = {"configMap": "name", "secret": "secretName", "persistentVolumeClaim": "claimName"}
    return {
        (kind[0].upper() + kind[1:], item[kind][key]) for item in volumes for kind, key in keys.items() if kind in item
    }


def test_the_pods_configuration_names_what_they_mount(tmp_path: Path) -> None:
    """Every file that the ConfigMap's configuration names is a key of ConfigMap or Secret, or lies on the volume."""
    objects = {item["kind"]: item for item in documents().values()}
    text = objects["ConfigMap"]["data"]["provisioner.toml"]
    (path := tmp_path / "provisioner.toml").write_text(text, encoding="utf-8")
    loaded = load_settings(path)
    named = {str(item) for item in _paths(tomllib.loads(text))}
    mounted = {f"/etc/provisioner/{key}" for key in objects["ConfigMap"]["data"]}
    mounted |= {f"/secrets/{key}" for key in objects["Secret"]["stringData"]}
    assert {item for item in named if not item.startswith("/state/")} == mounted - {CONFIGURATION}
    assert {str(loaded.state_path), str(loaded.key_store)} == {"/state/provisioner.sqlite", "/state/keys"}
    assert image_environment()["PROVISIONER_CONFIG"] == CONFIGURATION


def _paths(value: object) -> Iterator[Path]:
    """Return every absolute path in a configuration."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _paths(item)
    elif isinstance(value, str) and value.startswith("/"):
        yield Path(value)


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.toml")), ids=lambda path: path.name)
def test_examples_load(path: Path) -> None:
    """Every example is a configuration without problems, down to what each of its instances should be."""
    loaded = load_settings(path)
    assert [loaded.desired(name).name for name in loaded.instance_names(())] == [*loaded.settings.instances]


def test_the_fleet_lies_where_the_readmes_put_it() -> None:
    """State and keys are on the volume of systemd and cron, and what is secret is in the folder for it."""
    loaded = load_settings(CONFIG / "fleet.toml")
    text = (CONFIG / "fleet.toml").read_text(encoding="utf-8")
    assert {loaded.state_path.parent, loaded.key_store.parent} == {Path("/var/lib/provisioner")}
    assert {name.rpartition("/")[0] for name in re.findall(r'file = "([^"]+)"', text)} == {"secrets"}
    assert {instance.unattended for instance in loaded.settings.instances.values()} == {True}
    assert len({instance.region for instance in loaded.settings.instances.values()}) == 2


def test_the_image_is_built_from_what_is_there() -> None:
    """What is copied into it exists and is what the package needs, and the entry point is a script of the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    build, image = instructions(0), dict(instructions())
    *sources, _ = [
        word for name, words in build if name == "COPY" for word in words.split() if "/source" not in word
    ] + [""]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert {"pyproject.toml", "provisioner", project["readme"], *project["license-files"]} <= {*sources}
    entry = Path(json.loads(image["ENTRYPOINT"])[0])
    assert (str(entry), entry.name in project["scripts"]) == (INSTALLED, True)
    assert str(entry.parent) in image_environment()["PATH"].split(":")


def test_the_image_and_the_pods_agree_on_the_user() -> None:
    """The user is the one that the pods run as, and nobody's root."""
    image = dict(instructions())
    assert {
        f"{spec['securityContext']['runAsUser']}:{spec['securityContext']['fsGroup']}" for _, spec in pod_specs()
    } == {image["USER"]}
    assert "10001" in image["RUN"]


def called() -> set[str]:
    """Return the cloud's actions that the product calls, as RAM names them."""
    found = set()
    for path in Path(alibaba.__file__).parent.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if path.name not in {"failures.py", "explained.py"}:
            product = "yundun-cert" if "CAS_VERSION, AccountClients" in source else "mq"
            texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
            found |= {f"{product}:{IRREGULAR.get(text, text)}" for text in texts if _operation(text, product)}
    return found


def _operation(text: object, product: str) -> TypeGuard[str]:
    """Tell whether a text is the name of an operation of a product's SDK."""
    if not isinstance(text, str) or not re.fullmatch(r"([A-Z][a-z0-9]+){2,}", text):
        return False
    return hasattr(importlib.import_module(SDKS[product]).Client, re.sub(r"(?<!^)(?=[A-Z])", "_", text).lower())


def test_the_ram_policy_allows_what_is_called_and_no_more() -> None:
    """Its actions are those that the product calls, each once, with the one that all of MQTT's need."""
    policy = json.loads((CONFIG / "ram-policy.json").read_text(encoding="utf-8"))
    allowed = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert sorted(allowed) == sorted({*called(), "mq:MqttInstanceAccess"})
    assert {(item["Effect"], item["Resource"]) for item in policy["Statement"]} == {("Allow", "*")}


def test_messages_name_the_permissions_of_the_ram_policy() -> None:
    """What an error says that the policy needs is what the policy has."""
    named = {permission for text in _PERMISSIONS.values() for permission in text.split(" and ")}
    assert named == {*called(), "mq:MqttInstanceAccess"}
