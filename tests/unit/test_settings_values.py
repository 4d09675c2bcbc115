"""Values of the configuration: durations, names, endpoints, URLs, secrets."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from provisioner.errors import UsageError
from provisioner.settings.durations import parse_duration, render_duration
from provisioner.settings.names import check_dns_names, check_state, parse_endpoint, split_endpoint, state_path
from provisioner.settings.secrets import SecretReference
from provisioner.settings.section import plain
from provisioner.settings.urls import check_url, is_loopback


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1d2h3m4s5ms", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
        ("366d", timedelta(days=366)),
    ],
)
def test_durations(text: str, span: timedelta) -> None:
    """They are read as written, and written as read."""
    assert (parse_duration(text), render_duration(span)) == (span, text)


@pytest.mark.parametrize(
    "value", ["", "5", "5 m", "-5m", "5.5m", "m", "5x", "5M", "0s", "0h0m", "367d", "9" * 5000 + "d", 5, None, True]
)
def test_durations_that_are_none(value: object) -> None:
    """Numbers without unit, nothing at all, and more than a year are refused."""
    with pytest.raises(ValueError, match=r"expected a duration such as|longer than nothing|at most 366 days"):
        parse_duration(value)


def test_a_duration_of_nothing_is_rendered() -> None:
    """So that a message never has a hole."""
    assert render_duration(timedelta(0)) == "0s"


@pytest.mark.parametrize(
    "name",
    [
        "example.com",
        "*.mqtt.aliyuncs.com",
        "a-b.example.com",
        "localhost",
        "xn--fiqs8s.example",
        "A.B",
        "1.example",
        "a" * 63 + ".b",
    ],
)
def test_dns_names(name: str) -> None:
    """Names, with a wildcard for the leftmost label."""
    assert check_dns_names((name,)) == (name,)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ((), "name at least one"),
        (("a.example", "A.example"), "'A.example' is named twice"),
        (("127.0.0.1",), "'127.0.0.1': IP addresses are not DNS names; devices connect by name"),
        (("2001:db8::1",), "'2001:db8::1': IP addresses are not DNS names; devices connect by name"),
        (("münchen.example",), "'münchen.example': write it in its ASCII form (xn--...)"),
        (("*",), "'*': * may only stand for the whole leftmost label, as in *.example.com"),
        (("a.*.example",), "'a.*.example': * may only stand for the whole leftmost label, as in *.example.com"),
        (("*.*.example",), "'*.*.example': * may only stand for the whole leftmost label, as in *.example.com"),
        (("",), "'': this is not a DNS name"),
        (("example.com.",), "'example.com.': this is not a DNS name"),
        (("a_b.example",), "'a_b.example': this is not a DNS name"),
        (("a b.example",), "'a b.example': this is not a DNS name"),
        (("-a.example",), "'-a.example': this is not a DNS name"),
        (("a" * 64,), f"'{'a' * 64}': this is not a DNS name"),
        ((".".join(["a" * 60] * 5),), f"'{'.'.join(['a' * 60] * 5)}': this is not a DNS name"),
    ],
)
def test_dns_names_that_are_none(names: tuple[str, ...], problem: str) -> None:
    """The first problem is told with its name."""
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        check_dns_names(names)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("mqtt.example.com", "mqtt.example.com", 8883),
        ("mqtt.example.com:1", "mqtt.example.com", 1),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("::1", "::1", 8883),
        ("[::1]", "::1", 8883),
        ("[::1]:18883", "::1", 18883),
    ],
)
def test_endpoints_are_split(text: str, host: str, port: int) -> None:
    """Host and port, with brackets around IPv6 addresses."""
    assert split_endpoint(text) == (host, port)


@pytest.mark.parametrize(
    "text", ["", ":1", "a:", "a:0", "a:65536", "a:x", "a:²", "a:1:2", "[::1]:", "[::1]:x", "a:" + "9" * 5000]
)
def test_endpoints_that_are_none(text: str) -> None:
    """No host, no port, or more than 65535."""
    with pytest.raises(ValueError, match=r"expected HOST or HOST:PORT|is no port: expected 1 to 65535") as caught:
        split_endpoint(text)
    assert len(str(caught.value)) < 100


def test_endpoints_of_instances_are_names() -> None:
    """Devices verify a name; the port is filled in."""
    assert parse_endpoint("mqtt.example.com") == "mqtt.example.com:8883"
    with pytest.raises(ValueError, match="IP addresses are not DNS names"):
        parse_endpoint("10.0.0.8:8883")
    with pytest.raises(ValueError, match=r"\* may only stand"):
        parse_endpoint("*.example.com")


def test_states() -> None:
    """SQLite files alone, by URL."""
    assert state_path(check_state("sqlite:///a/b.sqlite")) == "a/b.sqlite"
    assert state_path(check_state("sqlite:////a/b.sqlite")) == "/a/b.sqlite"
    for url in ("", "a/b.sqlite", "sqlite:///", "postgresql://u:p@h/db", "sqlite://a"):
        with pytest.raises(ValueError, match="only SQLite files are supported: "):
            check_state(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://cas.aliyuncs.com",
        "https://cas.aliyuncs.com/",
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "https://127.0.0.1:1",
    ],
)
def test_urls(url: str) -> None:
    """Https, and plain http to literal loopback."""
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9", True),
        ("https://[::1]", True),
        ("http://localhost", False),
        ("http://10.0.0.1", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_loopback_is_literal(url: str, loopback: bool) -> None:
    """Names, ``localhost`` among them, may lead anywhere."""
    assert is_loopback(url) is loopback


def test_control_characters_fit_nowhere() -> None:
    """Neither in a text nor in a list of texts."""
    assert (plain("公司 ok"), plain(5), plain(["a"])) == ("公司 ok", 5, ["a"])
    for value in ("a\x00", "a\nb", "\x1b[31m", "\x9b", ["a", "b\x7f"]):
        with pytest.raises(ValueError, match="control characters can't stand here"):
            plain(value)


def test_secrets_are_read_from_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a variable, or from a file whose last newline is left out; neither is ever shown."""
    monkeypatch.setenv("A_SECRET", "from the environment")
    (tmp_path / "secret").write_text(" from a file \r\n", encoding="utf-8")
    found = [
        SecretReference(env="A_SECRET").read(tmp_path, "key"),
        SecretReference(file=Path("secret")).read(tmp_path, "key"),
    ]
    assert [item.reveal() for item in found] == ["from the environment", " from a file "]
    assert "from" not in f"{found} {found[0]} {found!r}"


def test_secrets_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration's key and the place are named."""
    monkeypatch.setenv("EMPTY_SECRET", "")
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    monkeypatch.setenv("BYTES", b"p\xffw".decode("utf-8", "surrogateescape"))
    (tmp_path / "bytes").write_bytes(b"p\xffw")
    (tmp_path / "long").write_text("x" * 65_536, encoding="utf-8")
    for reference, words in (
        (SecretReference(env="BYTES"), "a.key: the environment variable BYTES is not UTF-8 text; nothing was changed"),
        (
            SecretReference(file=Path("bytes")),
            f"a.key: {tmp_path / 'bytes'} can't be read: it is not text; nothing was changed",
        ),
        (
            SecretReference(file=Path("long")),
            f"a.key: {tmp_path / 'long'} has 65536 bytes, a secret has at most 65535; nothing was changed",
        ),
        (
            SecretReference(env="EMPTY_SECRET"),
            "a.key: the environment variable EMPTY_SECRET is not set; nothing was changed",
        ),
        (
            SecretReference(file=Path("none")),
            f"a.key: {tmp_path / 'none'} can't be read: No such file or directory; nothing was changed",
        ),
        (SecretReference(file=Path("empty")), f"a.key: {tmp_path / 'empty'} is empty; nothing was changed"),
    ):
        with pytest.raises(UsageError) as caught:
            reference.read(tmp_path, "a.key")
        assert caught.value.message == words


@pytest.mark.parametrize(
    "value", ["literal", 5, ["a"], {}, {"env": "A", "file": "b"}, {"env": 5}, {"value": "a"}, {"env": "A\x00"}]
)
def test_references_that_are_none(value: object) -> None:
    """A literal is refused, and so is anything but one of the two."""
    with pytest.raises(ValidationError) as caught:
        SecretReference.model_validate(value)
    assert "literal" not in str(caught.value)
