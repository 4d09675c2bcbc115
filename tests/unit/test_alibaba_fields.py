"""Fields of answers, whose types vary."""

from datetime import UTC, datetime
from typing import Any

import pytest

from provisioner.alibaba import fields
from provisioner.errors import UnansweredError

SHA256, SHA1 = "ab" * 32, "cd" * 20


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ""), ("", ""), (5, "5"), (" a \n b ", "a b"), ("a\x1b[2Jb", "a [2Jb"), (["a"], "['a']"), (False, "False")],
)
def test_text(value: object, expected: str) -> None:
    """Anything is a text on one line."""
    assert fields.text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        ("5", 5),
        ("-5", -5),
        (5.0, None),
        ("5.0", None),
        ("", None),
        (None, None),
        (True, None),
        ("9" * 5000, None),
    ],
)
def test_number(value: object, expected: int | None) -> None:
    """Whole numbers come as numbers and as texts; nothing else is one."""
    assert fields.number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1764000000000, datetime(2025, 11, 24, 16, 0, tzinfo=UTC)),
        ("1764000000000", datetime(2025, 11, 24, 16, 0, tzinfo=UTC)),
        (0, None),
        ("", None),
        (None, None),
        ("2025-11-24", None),
        (10**18, None),
        (-(10**18), None),
        (10**400, None),
    ],
)
def test_milliseconds(value: object, expected: datetime | None) -> None:
    """Times are milliseconds since 1970; what no calendar holds is none."""
    assert fields.milliseconds(value) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((SHA256,), (SHA256, None)),
        ((SHA1,), (None, SHA1)),
        ((None, SHA1.upper(), SHA256), (SHA256, SHA1)),
        ((":".join([SHA256[at : at + 2] for at in range(0, 64, 2)]).upper(),), (SHA256, None)),
        (("", None, 5, "abc"), (None, None)),
    ],
)
def test_fingerprints(values: tuple[object, ...], expected: tuple[str | None, str | None]) -> None:
    """The length tells which is which, whatever the field is called."""
    assert fields.fingerprints(*values) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0a", 10), ("A", 10), ("00:0A", 10), ("0a 0b", 0x0A0B), ("", None), (None, None), ("xyz", None), (12, 0x12)],
)
def test_serial(value: object, expected: int | None) -> None:
    """Serial numbers are hex, with or without colons and leading zeros."""
    assert fields.serial(value) == expected


@pytest.mark.parametrize("body", [{}, {"Data": None}, {"Data": []}, {"Data": {"List": {}}}, {"Data": {"List": [1]}}])
def test_a_list_that_is_not_there(body: dict[str, Any]) -> None:
    """A missing list is no empty one: the answer is unusable."""
    with pytest.raises(UnansweredError) as caught:
        fields.listed("SomeAction", body, "Data", "List")
    assert caught.value.message == "SomeAction: the answer lacks the list Data.List"


def test_a_list_that_is_there() -> None:
    """Objects alone are taken."""
    assert fields.listed("SomeAction", {"Data": {"List": [{"a": 1}]}}, "Data", "List") == [{"a": 1}]
    assert fields.listed("SomeAction", {"List": []}, "List") == []
