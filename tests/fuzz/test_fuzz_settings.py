"""Whatever stands in the configuration: settings, or one error that tells what is wrong and shows no secret."""

import copy
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import ConfigurationError, UsageError
from provisioner.settings import load_settings
from provisioner.settings.durations import parse_duration, render_duration
from provisioner.settings.names import parse_endpoint, split_endpoint
from provisioner.settings.urls import check_url
from tests.fuzz.toml_text import VALUES, WORDS, document

MARK = "mark-of-a-secret"
QUICK = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GOOD: dict[str, Any] = {
    "state": "sqlite:///state/provisioner.sqlite",
    "key_store": "state/keys",
    "account": {
        "site": "china",
        "credentials": {"access_key_id": {"env": "A"}, "access_key_secret": {"file": "b"}},
        "endpoints": {"certificates": "http://127.0.0.1:1", "mqtt": "http://127.0.0.1:1"},
    },
    "authority": {"certificate": "ca.crt", "private_key": "ca.key", "private_key_password": {"env": "C"}},
    "certificates": {
        "iot": {
            "key": "ec-p256",
            "valid_days": 500,
            "renew_before_days": 60,
            "profile": "strict",
            "dns_names": ["*.mqtt.aliyuncs.com"],
            "ip_addresses": ["192.0.2.1"],
            "subject": {"country": "CN", "common_name": "mqtt.example.com"},
        },
        "bought": {"source": "files", "certificate": "b.p12", "private_key_password": {"env": "F"}, "keep_root": True},
        "there": {"source": "hosted", "identifier": "14000001-cn-hangzhou", "trust": "root.crt"},
    },
    "instances": {
        "prod": {
            "id": "mqtt-cn-1",
            "region": "cn-hangzhou",
            "endpoint": "mqtt.example.com:8883",
            "connect_to": "127.0.0.1",
            "certificate": "iot",
            "mode": "mutual",
            "switch": "openapi",
            "on_failure": ["previous-certificate", "one-way"],
            "rotate_with": "sni",
            "sni_owns_mapping": True,
            "domains": {"a.example.com": "bought"},
            "unattended": True,
            "window": {"cron": "0 2 * * SUN", "duration": "3h", "timezone": "Asia/Shanghai"},
            "canary": {
                "certificate": "d.crt",
                "private_key": "d.key",
                "private_key_password": {"env": "D"},
                "client_id": "GID_ops@@@canary",
                "username": "u",
                "password": {"env": "E"},
                "topic": "t",
                "clients": ["GID_ops@@@1"],
                "clients_back_percent": 90,
            },
        }
    },
    "switches": {
        "openapi": {
            "mutual": {
                "action": "On",
                "version": "2020-04-20",
                "parameters": {"Id": "{instance_id}", "Certificate": "{cert_identifier}"},
            },
            "one_way": {"action": "Off", "version": "2020-04-20", "parameters": {"Id": "{instance_id}"}},
        }
    },
    "waiting": {
        "deadline": "30m",
        "effect_within": "12m",
        "settle": {"readings": 10, "over": "30s", "smallest_share": 0.125, "connections": 12},
    },
}
SECRETS = (
    ("account", "credentials", "access_key_id"),
    ("account", "credentials", "access_key_secret"),
    ("authority", "private_key_password"),
    ("certificates", "bought", "private_key_password"),
    ("instances", "prod", "canary", "private_key_password"),
    ("instances", "prod", "canary", "password"),
)


def _paths(value: object, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    here = [at] if at else []
    inner = value.items() if isinstance(value, dict) else ()
    return here + [path for name, item in inner for path in _paths(item, (*at, name))]


def _with(path: tuple[str, ...], value: object) -> dict[str, Any]:
    made = copy.deepcopy(GOOD)
    table = made
    for name in path[:-1]:
        table = table[name]
    table[path[-1]] = value
    return made


def _load(folder: Path, text: str) -> str:
    """Return the message with which a configuration is refused, an empty one when it is not."""
    path = folder / "provisioner.toml"
    path.write_text(text, encoding="utf-8")
    problem: UsageError | None = None
    try:
        loaded = load_settings(path)
        for name in loaded.settings.instances:
            loaded.desired(name)
    except UsageError as error:
        problem = error
    assert problem is None or problem.hint
    assert not isinstance(problem, ConfigurationError) or problem.problems
    return str(problem or "")


def test_the_good_configuration_is_one(tmp_path: Path) -> None:
    """What the other tests spoil is whole to begin with."""
    assert _load(tmp_path, document(GOOD)) == ""


@QUICK
@given(path=st.sampled_from(_paths(GOOD)), value=VALUES)
def test_any_value_in_the_place_of_a_good_one(tmp_path: Path, path: tuple[str, ...], value: object) -> None:
    """It is taken, or refused with its key."""
    message = _load(tmp_path, document(_with(path, value)))
    assert not message or "; nothing was changed" in message


@QUICK
@given(path=st.sampled_from(_paths(GOOD)), name=WORDS, value=VALUES)
def test_any_key_beside_the_known_ones(tmp_path: Path, path: tuple[str, ...], name: str, value: object) -> None:
    """It is refused, whatever it is called."""
    _load(tmp_path, document(_with((*path[:-1], name), value)))


@QUICK
@given(values=st.dictionaries(WORDS, VALUES, max_size=4))
def test_any_file_of_toml(tmp_path: Path, values: dict[str, object]) -> None:
    """A file that has nothing to do with this is refused like any other."""
    _load(tmp_path, document(values))


@QUICK
@given(text=st.text())
def test_any_text(tmp_path: Path, text: str) -> None:
    """Text that is no TOML is refused too."""
    _load(tmp_path, text.replace("\r", "\n"))


@QUICK
@given(
    path=st.sampled_from(SECRETS),
    literal=st.recursive(
        st.sampled_from([MARK, MARK + "\x00", f"{MARK}\n"]),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=2)
            | st.dictionaries(st.sampled_from(["value", "text", "secret"]), inner, min_size=1)
            | st.fixed_dictionaries({"env": st.lists(inner, min_size=1, max_size=2), "file": inner})
        ),
        max_leaves=3,
    ),
)
def test_a_literal_secret_is_never_shown(tmp_path: Path, path: tuple[str, ...], literal: object) -> None:
    """Whatever shape it takes, it is refused, and the message does not hold it."""
    message = _load(tmp_path, document(_with(path, literal)))
    assert (message != "", MARK in message) == (True, False)


@QUICK
@given(text=st.text() | st.from_regex(r"(\d{1,4}(ms|[dhms])){1,4}", fullmatch=True))
def test_any_text_as_a_duration(text: str) -> None:
    """It is a duration that is written the same way again, or a ``ValueError``."""
    try:
        found = parse_duration(text)
    except ValueError:
        return
    assert parse_duration(render_duration(found)) == found


@QUICK
@given(text=st.text() | st.from_regex(r"\[?[a-z0-9:.\-]{0,20}\]?(:[0-9]{0,7})?", fullmatch=True))
def test_any_text_as_an_endpoint_or_a_url(text: str) -> None:
    """It is one, or a ``ValueError``."""
    for take in (split_endpoint, parse_endpoint, check_url, lambda given: check_url(f"http://{given}")):
        try:
            take(text)
        except ValueError:
            continue
