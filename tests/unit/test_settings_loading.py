"""Loading: where the configuration is found, which parts a command needs, and what it means in the model's words."""

from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.errors import ConfigurationError, UsageError
from provisioner.model.certificate import DistinguishedName, KeyType, Profile, Specification
from provisioner.model.desired import RollbackTarget
from provisioner.model.instance import Endpoint, Mode
from provisioner.settings import find_configuration, load_settings, load_subject
from provisioner.settings.references import reference_problems

MINIMAL = """
[authority]
certificate = "ca.crt"
[certificates.iot]
dns_names = ["mqtt.example.com"]
subject = { common_name = "mqtt.example.com" }
[instances.prod]
id = "mqtt-cn-1"
region = "cn-hangzhou"
endpoint = "mqtt.example.com"
certificate = "iot"
"""


SETTLE_TOO_LONG = (
    "waiting: settle takes longer than deadline: fewer readings, a shorter span, a shorter poll, more connections, "
    "or a larger smallest_share"
)


def _written(folder: Path, text: str) -> Path:
    path = folder / "provisioner.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(_written(folder, text))
    return caught.value.problems


def test_the_flag_goes_before_the_variable_and_that_before_the_usual_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty variable counts as none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    for name in ("flag.toml", "variable.toml", "config/provisioner.toml"):
        (tmp_path / name).touch()
    flag, variable = Path("flag.toml"), {"PROVISIONER_CONFIG": "variable.toml"}
    assert find_configuration(flag, variable) == flag
    assert find_configuration(None, variable) == Path("variable.toml")
    assert find_configuration(None, {"PROVISIONER_CONFIG": ""}) == Path("config/provisioner.toml")
    (tmp_path / "provisioner.toml").touch()
    assert find_configuration(None, {}) == Path("provisioner.toml")


def test_a_named_place_is_not_replaced_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names a file means that file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "provisioner.toml").touch()
    for flag, environ in ((Path("none.toml"), {}), (None, {"PROVISIONER_CONFIG": "none.toml"})):
        with pytest.raises(UsageError) as caught:
            find_configuration(flag, environ)
        assert caught.value.message == "no configuration: none.toml does not exist; nothing was changed"


def test_a_minimal_configuration_has_the_documented_defaults(tmp_path: Path) -> None:
    """Everything that is left out means what the reference says."""
    loaded = load_settings(_written(tmp_path, MINIMAL))
    desired = loaded.desired("prod")
    assert (loaded.state_path, loaded.key_store) == (tmp_path / "state/provisioner.sqlite", tmp_path / "state/keys")
    assert (desired.endpoint, desired.mode, desired.driver) == (Endpoint("mqtt.example.com"), Mode.MUTUAL, "console")
    assert desired.on_failure == (RollbackTarget.PREVIOUS_CERTIFICATE, RollbackTarget.ONE_WAY)
    assert (desired.hosted_prefix, desired.canary.configured) == ("provisioner-iot-", False)
    assert (desired.waiting.deadline, desired.waiting.effect_within) == (timedelta(minutes=30), timedelta(minutes=12))
    assert (desired.waiting.readings, desired.waiting.over) == (10, timedelta(seconds=30))


def test_a_specification_in_the_words_of_the_model(tmp_path: Path) -> None:
    """Renewal is due a third of the lifetime before its end when nothing else is said."""
    loaded = load_settings(_written(tmp_path, MINIMAL))
    assert loaded.specification("iot") == Specification(
        name="iot",
        key=KeyType.RSA_2048,
        valid_for=timedelta(days=500),
        renew_before=timedelta(days=500) / 3,
        profile=Profile.STRICT,
        dns_names=("mqtt.example.com",),
        subject=DistinguishedName(common_name="mqtt.example.com"),
    )
    text = MINIMAL.replace("[certificates.iot]", "[certificates.iot]\nvalid_days = 90\nrenew_before_days = 30")
    found = load_settings(_written(tmp_path, text)).specification("iot")
    assert (found.valid_for, found.renew_before) == (timedelta(days=90), timedelta(days=30))


def test_a_canary_logs_in_when_it_has_a_name(tmp_path: Path) -> None:
    """Without user name and password any CONNACK counts."""
    canary = '[instances.prod.canary]\ncertificate = "d.crt"\nprivate_key = "d.key"\nclient_id = "GID_x@@@y"\n'
    bare = load_settings(_written(tmp_path, MINIMAL + canary)).desired("prod").canary
    login = 'username = "u"\npassword = { env = "P" }\n'
    full = load_settings(_written(tmp_path, MINIMAL + canary + login)).desired("prod").canary
    assert ((bare.configured, bare.logs_in), (full.configured, full.logs_in)) == ((True, False), (True, True))
    assert _problems(tmp_path, MINIMAL + canary + 'username = "u"\n') == (
        "instances.prod.canary: username and password come together",
    )
    assert _problems(tmp_path, MINIMAL + canary + 'topic = "t"\n') == (
        "instances.prod.canary: topic needs username and password",
    )


@pytest.mark.parametrize("topic", ["", "a/#", "a/+/b", "x" * 1025])
def test_a_canarys_topic_is_one_topic(tmp_path: Path, topic: str) -> None:
    """A message can't be sent to a filter, and nobody should learn that with the endpoint at work."""
    canary = '[instances.prod.canary]\ncertificate = "d.crt"\nprivate_key = "d.key"\nclient_id = "GID_x@@@y"\n'
    login = 'username = "u"\npassword = { env = "P" }\n'
    assert _problems(tmp_path, f'{MINIMAL}{canary}{login}topic = "{topic}"\n') == (
        "instances.prod.canary.topic: expected a topic of 1 to 1024 characters without + and #",
    )


def test_instances_are_chosen_by_name(tmp_path: Path) -> None:
    """All when none is named, each once, and unknown ones are an error that lists the known."""
    loaded = load_settings(_written(tmp_path, MINIMAL))
    assert (loaded.instance_names(()), loaded.instance_names(("prod", "prod"))) == (["prod"], ["prod"])
    with pytest.raises(UsageError) as caught:
        loaded.instance_names(("prod", "other"))
    assert caught.value.message == "the configuration has no [instances.other]; there are: prod; nothing was changed"


def test_a_command_needs_only_its_own_sections(tmp_path: Path) -> None:
    """What it doesn't need isn't looked at, but for keys that don't exist."""
    path = _written(tmp_path, '[authority]\ncertificate = "ca.crt"\n[instances.prod]\nid = 5\n')
    assert load_settings(path, ("authority",)).authority().certificate == Path("ca.crt")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(_written(tmp_path, '[authority]\ncertificate = "ca.crt"\n[autority]\n'), ("authority",))
    assert caught.value.problems == ("autority: unknown key; did you mean authority?",)
    with pytest.raises(UsageError, match=r"the configuration has no \[authority\]"):
        load_settings(_written(tmp_path, ""), ("authority",)).authority()


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the command is run; absolute ones stay."""
    _written(tmp_path, MINIMAL)
    monkeypatch.chdir("/")
    loaded = load_settings(tmp_path / "provisioner.toml")
    assert (loaded.path(Path("a")), loaded.path(Path("/a"))) == (tmp_path / "a", Path("/a"))


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        (
            'certificate = "iot"',
            'certificate = "iott"',
            ("instances.prod.certificate: no [certificates.iott]; there are: iot",),
        ),
        (
            'certificate = "iot"',
            'certificate = "iot"\nswitch = "openapi"',
            ('instances.prod.switch: "openapi" needs the section [switches.openapi]',),
        ),
        (
            'certificate = "iot"',
            'certificate = "iot"\non_failure = ["none", "one-way"]',
            ('instances.prod: "none" can only be the last of on_failure',),
        ),
        (
            'certificate = "iot"',
            'certificate = "iot"\non_failure = ["one-way", "one-way"]',
            ("instances.prod: on_failure names a target twice",),
        ),
        (
            "[certificates.iot]",
            "[certificates.iot]\nvalid_days = 30\nrenew_before_days = 30",
            ("certificates.iot: renew_before_days must be less than valid_days (30)",),
        ),
        (
            'subject = { common_name = "mqtt.example.com" }',
            "subject = {}",
            ("certificates.iot.subject: a subject needs at least one field, such as common_name",),
        ),
        (
            "[instances.prod]",
            "[waiting]\npoll = '5m'\n[instances.prod]",
            (SETTLE_TOO_LONG,),
        ),
        (
            "[instances.prod]",
            "[instances.prod]\nid2 = 1\nregion2 = 2",
            (
                "instances.prod.id2: unknown key; did you mean id?",
                "instances.prod.region2: unknown key; did you mean region?",
            ),
        ),
        ('endpoint = "mqtt.example.com"', "", ("instances.prod.endpoint: missing",)),
    ],
)
def test_problems(tmp_path: Path, old: str, new: str, problems: tuple[str, ...]) -> None:
    """Each names its key and what is wrong."""
    assert old in MINIMAL
    assert _problems(tmp_path, MINIMAL.replace(old, new)) == problems


OPENAPI = """
[switches.openapi]
mutual = { action = "On", parameters = { Id = "{instance_id}", Cert = "{cert_identifier}" } }
one_way = { action = "Off", parameters = { Id = "{instance_id}" } }
"""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            'Id = "{instance_id}", ',
            'Id = "mqtt-cn-1", ',
            "mutual holds {instance_id}: it would not say which instance is meant",
        ),
        (
            '"{instance_id}" } }\n',
            '"{instance_id" } }\n',
            "one_way holds {instance_id}: it would not say which instance is meant",
        ),
        (
            ', Cert = "{cert_identifier}"',
            "",
            "mutual holds {cert_identifier}: it would not say which certificate is meant",
        ),
    ],
)
def test_an_action_says_what_it_is_aimed_at(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """A literal id, or a placeholder with a slip in it, would switch one instance whichever is meant."""
    load_settings(_written(tmp_path, MINIMAL + OPENAPI))
    assert old in OPENAPI
    expected = f"switches.openapi: no parameter of {problem}"
    assert _problems(tmp_path, MINIMAL + OPENAPI.replace(old, new)) == (expected,)


def test_one_instance_is_configured_once(tmp_path: Path) -> None:
    """Two names for it would be two runs on it."""
    again = MINIMAL.split("[instances.prod]")[1]
    assert _problems(tmp_path, f"{MINIMAL}[instances.again]{again}") == (
        "instances.again.id: mqtt-cn-1 is instances.prod already",
    )


def test_names_of_hosted_certificates_must_fit(tmp_path: Path) -> None:
    """The service takes 63 characters, of which the fingerprint needs some."""
    text = MINIMAL.replace("iot", "i" * 40).replace(
        "[authority]", '[account]\nname_prefix = "a-long-prefix-here"\n[authority]'
    )
    assert _problems(tmp_path, text) == (
        f"certificates.{'i' * 40}: its hosted name would have 76 characters, at most 63 fit",
    )


def test_references_pass_over_what_is_told_elsewhere() -> None:
    """Parts of the wrong type are no reason to fail."""
    odd = {"certificate": 5, "switch": [], "domains": {"b": {}}}
    for raw in ({}, {"instances": 5}, {"instances": {"a": 5}}, {"instances": {"a": odd}}, {"certificates": [1]}):
        assert reference_problems(raw) == []


def test_references_are_told_beside_other_problems(tmp_path: Path) -> None:
    """What is missing and what is wrong stand in one message, sorted by key."""
    more = 'rotate_with = "sni"\nsni_owns_mapping = 1\ndomains = { "a.example.com" = "other" }\n'
    assert _problems(tmp_path, MINIMAL.replace('[authority]\ncertificate = "ca.crt"\n', "") + more) == (
        "authority: missing; certificates.iot is issued by it",
        "instances.prod.domains.a.example.com: no [certificates.other]; there are: iot",
        "instances.prod.sni_owns_mapping: expected true or false",
    )


def test_a_subject_given_by_options() -> None:
    """Options are named in the message; what isn't given is left out."""
    values = {"country": "CN", "organization": None, "common_name": "My CA"}
    assert load_subject(values) == DistinguishedName(country="CN", common_name="My CA")
    with pytest.raises(UsageError) as caught:
        load_subject({"common_name": "x" * 65})
    assert caught.value.message == "--common-name: string should have at most 64 characters; nothing was changed"
