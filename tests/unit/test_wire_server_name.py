"""Which hosts TLS can ask for, and by which name."""

import ssl

import pytest

from provisioner.wire.server_name import asked_name, name_problem, server_name

LABEL = "a" * 63


@pytest.mark.parametrize(
    ("host", "name", "asked"),
    [
        ("mqtt.example.com", "mqtt.example.com", "mqtt.example.com"),
        ("mqtt.example.com.", "mqtt.example.com", "mqtt.example.com"),
        ("127.0.0.1", "127.0.0.1", None),
        ("::1", "::1", None),
    ],
)
def test_a_name_is_asked_for_without_a_dot_at_its_end(host: str, name: str, asked: str | None) -> None:
    """Addresses are verified and not asked for."""
    assert (server_name(host), asked_name(host)) == (name, asked)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "my_broker",
        "mqtt.example.com.",
        "127.0.0.1",
        "::1",
        f"{LABEL}.com",
        ".".join([LABEL] * 3 + ["a" * 61]),
    ],
)
def test_what_tls_can_ask_for_is_no_problem(host: str) -> None:
    """The ssl module agrees."""
    ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=server_name(host))

    assert name_problem(host) == ""


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("a..b", "a label between two dots is empty"),
        (".a", "a label between two dots is empty"),
        ("a..", "a label between two dots is empty"),
        (".", "a label between two dots is empty"),
        ("", "a label between two dots is empty"),
        (f"a{LABEL}.com", "a label between two dots has at most 63 characters"),
        (".".join([LABEL] * 4), "a name has at most 253 characters"),
        ("mqtt.例子.cn", "write it in its ASCII form (xn--...)"),
        ("a b", "a name has no blanks or control characters"),
        ("a\nb", "a name has no blanks or control characters"),
        ("a\0b", "a name has no blanks or control characters"),
    ],
)
def test_what_tls_can_not_ask_for_is_told(host: str, problem: str) -> None:
    """Before the ssl module raises something that is no ``OSError``."""
    assert name_problem(host) == problem
