"""Bad configurations: everything that is wrong at once, with file and key, and nothing is done."""

import os
import shutil
from pathlib import Path

import pytest

from provisioner.cli.main import _run
from tests.e2e.conftest import Cloud
from tests.e2e.untouched import refused_clearly, untouched

SECRET = "never-to-be-shown"
CREDENTIAL = 'access_key_secret = { file = "secrets/access-key-secret" }'
BY_REFERENCE = 'a secret is given by reference only: { env = "NAME" } or { file = "path" }'
SUBJECT = 'common_name = "mqtt.example.com"'


def _problems(cloud: Cloud, *edits: tuple[str, str]) -> list[str]:
    """Return the problems that ``apply`` tells of an edited configuration, having called and changed nothing."""
    for old, new in edits:
        cloud.edit(old, new)
    with untouched(cloud):
        done = cloud.apply()
    error = done.document["error"]
    head, *lines = error["message"].splitlines()
    count = f"{len(lines)} problem{'' if len(lines) == 1 else 's'}"
    assert (done.code, cloud.actions(), head) == (2, [], f"{cloud.configuration}: {count}; nothing was changed")
    assert done.err == f"Error: {error['message']}\nNext: {error['hint']}\n"
    assert SECRET not in done.err + done.out
    return [line.removeprefix("  ") for line in lines]


def test_every_problem_is_told_at_once(cloud: Cloud) -> None:
    """Typos, wrong types, bad durations, a literal secret and dangling names stand in one message, sorted by key."""
    edits = (
        ('site = "china"', 'sight = "china"\nsite = "moon"'),
        (CREDENTIAL, f'access_key_secret = "{SECRET}"'),
        ('connect_to = "127.0.0.1"', 'conect_to = "127.0.0.1"'),
        ('region = "cn-hangzhou"', 'region = "Hangzhou"'),
        ('certificate = "iot"', 'certificate = "iott"'),
        ('deadline = "8s"', "deadline = 8"),
        ("readings = 3", 'readings = "3"'),
        ('key = "ec-p256"', "valid_days = true"),
    )
    assert _problems(cloud, *edits) == [
        f"account.credentials.access_key_secret: {BY_REFERENCE}",
        "account.sight: unknown key; did you mean site?",
        "account.site: expected 'china' or 'international'",
        "certificates.iot.valid_days: expected a whole number",
        "instances.prod.certificate: no [certificates.iott]; there are: iot",
        "instances.prod.conect_to: unknown key; did you mean connect_to?",
        "instances.prod.region: expected a region, such as cn-hangzhou",
        'waiting.deadline: expected a duration such as "30s", "10m" or "1h30m"',
        "waiting.settle.readings: expected a whole number",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('effect_within = "3s"', 'effect_within = "3"', "waiting.effect_within: expected a duration such as"),
        ('effect_within = "3s"', 'effect_within = "0s"', "waiting.effect_within: a duration must be longer than"),
        ('deadline = "8s"', 'deadline = "9999d"', "waiting.deadline: a duration has at most 366 days"),
        ('effect_within = "3s"', 'effect_within = "8s"', "waiting: effect_within must be shorter than deadline"),
        ("readings = 3", "readings = 900", "waiting: settle takes longer than deadline"),
        ('switch = "openapi"', "switch = true", "instances.prod.switch: expected 'console' or 'openapi'"),
        ('switch = "openapi"', 'switch = "openapi"\nmode = 1', "instances.prod.mode: expected 'one_way' or 'mutual'"),
        ('key = "ec-p256"', 'key = "rsa-512"', "certificates.iot.key: expected 'rsa-2048'"),
        ('site = "china"', "unsafe_key_in_query = 'yes'", "account.unsafe_key_in_query: expected true or false"),
        ('site = "china"', "unsafe_key_in_query = 1", "account.unsafe_key_in_query: expected true or false"),
        ('key_store = "state/keys"', "key_store = 5", "key_store: expected a path, as text"),
        ('key_store = "state/keys"', 'key_store = "a\\u0000b"', "key_store: control characters can't stand here"),
        ('certificate = "ca/ca.crt"', 'certificate = ["ca"]', "authority.certificate: expected a path, as text"),
        ('"sqlite:///state/provisioner.sqlite"', '"/var/state"', "state: only SQLite files are supported"),
        ('"sqlite:///state/provisioner.sqlite"', f'"postgresql://u:{SECRET}@h/db"', "state: only SQLite files are"),
        ("[switches.openapi]", "[switches.other]", 'instances.prod.switch: "openapi" needs the section'),
        ("[instances.prod]", '[instances."a b"]', "instances.a b: expected a name of at most 40 letters"),
        ('one_way = { action = "', 'one_way = { action = "x.', "switches.openapi.one_way.action: expected a name"),
    ],
)
def test_a_value_that_cannot_be(cloud: Cloud, old: str, new: str, problem: str) -> None:
    """Values of the wrong type or shape are told by key, with what was expected."""
    assert [line for line in _problems(cloud, (old, new)) if line.startswith(problem)]


@pytest.mark.parametrize(
    "literal",
    [
        f'"{SECRET}"',
        f'["{SECRET}"]',
        "123456789012345678901234567890",
        f'{{ value = "{SECRET}" }}',
        f'{{ env = "A", file = "B", text = "{SECRET}" }}',
        "{}",
        f'{{ env = ["{SECRET}"] }}',
    ],
)
def test_a_secret_is_never_written_in_the_file(cloud: Cloud, literal: str) -> None:
    """Whatever shape a literal secret takes, it is refused and not repeated."""
    problems = _problems(cloud, (CREDENTIAL, f"access_key_secret = {literal}"))
    assert all(line.startswith("account.credentials.access_key_secret") for line in problems)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ('{ env = "PROVISIONER_TEST_UNSET" }', "the environment variable PROVISIONER_TEST_UNSET is not set"),
        ('{ file = "secrets/none" }', "secrets/none can't be read: No such file or directory"),
        ('{ file = "secrets" }', "secrets can't be read: Is a directory"),
        ('{ file = "/dev/null" }', "/dev/null is empty"),
        ('{ file = "secrets/binary" }', "secrets/binary can't be read: it is not text"),
    ],
)
def test_a_secret_that_is_not_where_it_should_be(cloud: Cloud, reference: str, words: str) -> None:
    """The key and the place are named, and nothing is called."""
    (cloud.writer.files.directory / "secrets" / "binary").write_bytes(b"\xff\xfe")
    cloud.edit(CREDENTIAL, f"access_key_secret = {reference}")
    with untouched(cloud):
        done = cloud.run("apply", "--yes")
    refused_clearly(done, 2, "account.credentials.access_key_secret: ", words, "nothing was changed")
    assert cloud.actions() == []


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("[1]", "expected a text"),
        ('["10.0.0.8"]', "IP addresses are not DNS names; devices connect by name"),
        ('["::1"]', "IP addresses are not DNS names; devices connect by name"),
        ('["设备.example.com"]', "write it in its ASCII form (xn--...)"),
        ('["a.*.example.com"]', "* may only stand for the whole leftmost label"),
        ('["a*.example.com"]', "* may only stand for the whole leftmost label"),
        ('["*"]', "* may only stand for the whole leftmost label"),
        ('["A.example.com", "a.example.com"]', "'a.example.com' is named twice"),
        ('["-a.example.com"]', "this is not a DNS name"),
        ('["a..example.com"]', "this is not a DNS name"),
        (f'["{"a" * 64}.example.com"]', "this is not a DNS name"),
        ("[]", "name at least one"),
        ('"mqtt.example.com"', "expected a list"),
    ],
)
def test_dns_names_that_no_certificate_can_hold(cloud: Cloud, name: str, problem: str) -> None:
    """Addresses, other alphabets, misplaced wildcards and doubles are refused by name."""
    (line,) = _problems(cloud, ('dns_names = ["*.mqtt.aliyuncs.com"]', f"dns_names = {name}"))
    assert line.startswith("certificates.iot.dns_names")
    assert problem in line


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (SUBJECT, f'common_name = "{"x" * 65}"', "common_name: string should have at most 64 characters"),
        (SUBJECT, 'common_name = ""', "common_name: string should have at least 1 character"),
        (SUBJECT, 'common_name = "a\\u0007b"', "common_name: control characters can't stand here"),
        ('country = "CN"', 'country = "cn"', "country: expected two capital letters, such as CN"),
        ('country = "CN"', 'country = "CHN"', "country: expected two capital letters, such as CN"),
        ('country = "CN"', 'country = "中国"', "country: expected two capital letters, such as CN"),
        ('organization = "Example"', f'organization = "{"x" * 65}"', "organization: string should have at most 64"),
        ('email = "ops@example.com"', 'email = "运维@example.com"', "email: expected an ASCII address"),
        ('locality = "HZ"', f'locality = "{"x" * 129}"', "locality: string should have at most 128"),
        ('locality = "HZ"', "locality = 3", "locality: expected a text"),
    ],
)
def test_subject_fields_that_x509_forbids(cloud: Cloud, old: str, new: str, problem: str) -> None:
    """A field that can't stand in a certificate is told by key before anything is issued."""
    (line,) = _problems(cloud, (old, new))
    assert line.startswith(f"certificates.iot.subject.{problem}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[account\n", "not TOML: Expected ']'"),
        (b'state = "\xff"\n', "not TOML: it is not UTF-8 text"),
        (b"state = 1\x00", "not TOML: "),
        (b"a = " + b"[" * 4000 + b"]" * 4000, "not TOML: it is nested too deeply"),
        (b"a = " + b"1" * 5000, "not TOML: it holds a number that is too long"),
        (b'state = "a"\nstate = "b"\n', "not TOML: Cannot overwrite a value"),
        (b"account = 3\ninstances = []\n", "instances: expected a table"),
        (b"", "the configuration has no [instances.NAME]"),
    ],
)
def test_a_file_that_is_no_configuration(cloud: Cloud, content: bytes, words: str) -> None:
    """Text that isn't TOML, and TOML that is something else, end in one message."""
    cloud.configuration.write_bytes(content)
    with untouched(cloud):
        done = cloud.run("apply", "--yes")
    refused_clearly(done, 2, words, "nothing was changed")


def test_a_byte_order_mark_does_no_harm(cloud: Cloud) -> None:
    """Some editors write one in front of everything."""
    cloud.configuration.write_bytes(b"\xef\xbb\xbf" + cloud.configuration.read_bytes())
    assert cloud.run("plan").code == 0


def test_missing_sections_are_named(cloud: Cloud) -> None:
    """An instance without authority, without certificate and without driver names all that it lacks."""
    text = cloud.configuration.read_text(encoding="utf-8")
    head, rest = text.split("[authority]")[0], text.split("[instances.prod]")[1].split("[switches.openapi]")[0]
    cloud.configuration.write_text(f"{head}[instances.prod]{rest}", encoding="utf-8")
    problems = _problems(cloud)
    assert problems[-2:] == [
        "instances.prod.certificate: no [certificates.iot]; there are: none",
        'instances.prod.switch: "openapi" needs the section [switches.openapi]',
    ]


def test_an_authority_is_needed_to_issue(cloud: Cloud) -> None:
    """Without [authority] nothing that is issued here can be desired."""
    cloud.edit('[authority]\ncertificate = "ca/ca.crt"\nprivate_key = "ca/ca.key"\n', "")
    (line,) = _problems(cloud)
    assert line.startswith("authority: missing; ")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("none.toml", "none.toml does not exist"),
        (".", " is a directory"),
        ("provisioner.toml/below", "can't be read (not a directory)"),
        ("x" * 300, "can't be read (file name too long)"),
    ],
)
@pytest.mark.parametrize("by", ["flag", "variable"])
def test_a_configuration_that_is_not_there(
    cloud: Cloud, place: str, words: str, by: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The place that was named is told, by whichever way it was named."""
    path = str(cloud.writer.files.directory / place)
    flags = ["--config", path] if by == "flag" else []
    monkeypatch.setenv("PROVISIONER_CONFIG", "" if by == "flag" else path)
    code = _run([*flags, "apply", "--yes"])
    err = capsys.readouterr().err
    assert (code, words in err, "Next: name it with --config" in err) == (2, True, True)


def test_without_a_configuration_both_places_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither of the usual places has one."""
    monkeypatch.delenv("PROVISIONER_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "provisioner.toml").mkdir()
    assert _run(["plan"]) == 2
    assert capsys.readouterr().err == (
        "Error: no configuration: provisioner.toml is a directory and config/provisioner.toml does not exist; "
        "nothing was changed\n"
        "Next: name it with --config, or begin with the example config/provisioner.toml\n"
    )


def test_the_usual_places_and_the_variable_are_found(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """PROVISIONER_CONFIG goes before the usual places, and the flag before it."""
    root = cloud.writer.files.directory
    monkeypatch.chdir(root)
    monkeypatch.delenv("PROVISIONER_CONFIG", raising=False)
    assert _run(["check"]) == 0
    monkeypatch.setenv("PROVISIONER_CONFIG", str(root / "none.toml"))
    assert (_run(["check"]), _run(["--config", str(cloud.configuration), "check"])) == (2, 0)
    (root / "config").mkdir()
    shutil.move(cloud.configuration, root / "config" / "provisioner.toml")
    monkeypatch.delenv("PROVISIONER_CONFIG")
    assert _run(["ca", "show"]) == 5  # found there, and its paths are relative to it


@pytest.mark.parametrize("command", [("plan",), ("check",), ("status",), ("resume", "--yes"), ("rollback", "prod")])
def test_every_command_reads_the_whole_configuration(cloud: Cloud, command: tuple[str, ...]) -> None:
    """A typo stops commands that only read, too."""
    cloud.edit('site = "china"', 'sight = "china"')
    with untouched(cloud):
        done = cloud.run(*command)
    refused_clearly(done, 2, "account.sight: unknown key; did you mean site?")
    assert not os.path.lexists(cloud.writer.files.directory / "state")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("apply", "--yes", "nope"), "no [instances.nope]; there are: prod"),
        (("plan", "prod", "nope"), "no [instances.nope]; there are: prod"),
        (("rollback", "nope", "--yes"), "no [instances.nope]; there are: prod"),
        (("issue", "nope"), "no [certificates.nope]; there are: iot"),
        (("aply",), "no such command 'aply'. Did you mean 'apply'?"),
        (("apply", "--yess"), "no such option: --yess"),
        (("apply", "--digest"), "option '--digest' requires an argument"),
        (("rollback",), "missing argument 'NAME'"),
        (("ca", "create", "--valid-days", "many"), "invalid value for '--valid-days': expected a valid integer"),
        (
            ("ca", "create", "--valid-days", "0"),
            "invalid value for '--valid-days': expected greater than or equal to 1",
        ),
        (("ca", "create", "--key", "sm2"), "invalid value for '--key': 'sm2' is not one of"),
        (("apply", "--config", "x"), "Next: it goes before the verb: provisioner --config FILE apply\n"),
        (("device-ca", "list", "prod", "-v"), "Next: it goes before the verb: provisioner -v device-ca list\n"),
        (("probe", "mqtts://mqtt.example.com"), "a URL is no endpoint; expected a name with an optional port"),
    ],
)
def test_a_command_line_that_cannot_be(cloud: Cloud, arguments: tuple[str, ...], words: str) -> None:
    """Unknown names, verbs and flags are usage errors that name what there is."""
    with untouched(cloud):
        done = cloud.run(*arguments)
    refused_clearly(done, 2, words)
    assert cloud.actions() == []


def test_json_goes_after_the_verb(cloud: Cloud) -> None:
    """Asked for in the wrong place, it is answered as JSON all the same, with the right place as the next step."""
    done = cloud.run("--json", "status")
    assert (done.code, done.document["error"]["hint"]) == (2, "it goes after the verb: provisioner COMMAND --json")


@pytest.mark.parametrize("arguments", [[], ["ca"], ["sandbox"]])
def test_a_command_line_without_a_verb_shows_what_there_is(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the help, and no error message."""
    assert _run(arguments) == 2
    err = capsys.readouterr().err
    assert ("Usage: " in err, "Commands:" in err, "Error" in err) == (True, True, False)
