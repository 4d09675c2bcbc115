"""What connections that disagree are called."""

import pytest

from provisioner.model.instance import EndpointState, Mode
from provisioner.planning.wire_state import Met, WireState
from provisioner.planning.wire_words import describe_change, describe_mixture

NEW = WireState(Mode.MUTUAL, "aa" * 32, asked=True)
OLD = WireState(Mode.ONE_WAY, "00" * 32, asked=False)
WANTED = EndpointState(Mode.MUTUAL, NEW.leaf)
AT_ONE = "2 of 4 connections still meet the old certificate (one-way) at 192.0.2.2; 2 meet the new certificate (mutual)"
BEFORE = EndpointState(Mode.ONE_WAY, OLD.leaf)


def met(*counted: tuple[int, WireState | None], address: str = "192.0.2.1", words: str = "closed") -> tuple[Met, ...]:
    """Return what so many connections met."""
    return tuple(Met(address, state, "" if state else words) for count, state in counted for _ in range(count))


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (
            met((6, NEW), (6, OLD)),
            "6 of 12 connections still meet the old certificate (one-way); 6 meet the new certificate (mutual)",
        ),
        (met((9, NEW), (3, None)), "3 of 12 connections fail (closed); 9 meet the new certificate (mutual)"),
        (
            (*met((2, NEW)), *met((2, OLD), address="192.0.2.2")),
            AT_ONE,
        ),
        (
            (*met((3, NEW)), Met("192.0.2.1", None, "meet another certificate, leaf 0000", leaf=OLD.leaf)),
            "1 of 4 connections still meet the old certificate (one-way); 3 meet the new certificate (mutual)",
        ),
        (
            (*met((3, NEW)), Met("192.0.2.1", None, "meet another certificate, leaf bbbb", leaf="bb")),
            "1 of 4 connections meet another certificate, leaf bbbb; 3 meet the new certificate (mutual)",
        ),
    ],
)
def test_a_mixture_is_told_in_the_words_of_the_change(seen: tuple[Met, ...], words: str) -> None:
    """How many of how many, what they met, and where, as far as one address of several shows it."""
    assert describe_change(WANTED, BEFORE)(seen) == words


def test_a_mixture_without_a_change_names_the_states() -> None:
    """Where nothing was asked for there is neither old nor new."""
    assert describe_mixture(met((2, NEW), (1, OLD), (1, None))) == (
        f"connections disagree: 2 of 4 mutual, leaf {'a' * 16} | 1 of 4 closed | 1 of 4 one-way, leaf {'0' * 16}"
    )


def test_on_the_way_back_one_way_is_what_is_wanted() -> None:
    """A rollback's mixture speaks of what stays behind, too."""
    words = describe_change(EndpointState(Mode.ONE_WAY), WANTED)(met((7, NEW), (5, OLD)))
    assert words == "7 of 12 connections still meet the old certificate (mutual); 5 meet one-way"
