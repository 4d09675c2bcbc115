"""Climbing from a leaf: the same chain whatever the order of the rest."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.pki.chains import climb, order_problem, self_signed, signature_problem
from tests.fakes.authorities import good, make

LONGEST = 5


@cache
def certificates() -> tuple[tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]:
    """Return a chain of a leaf and five CAs, and strangers, some of which have their names."""
    with TemporaryDirectory() as name:
        folder, others = Path(name) / "chain", Path(name) / "others"
        folder.mkdir()
        others.mkdir()
        made = [good(folder, "ca 0")]
        for number in range(1, LONGEST):
            made.append(good(folder, f"ca {number}", issuer=made[-1]))
        leaf = make(folder, "leaf", issuer=made[-1])
        strangers = (
            good(others, "ca 0"),
            good(others, "ca 2", issuer=made[1]),
            make(others, "leaf", issuer=made[-1]),
            good(others, "elsewhere"),
        )
        chain = (leaf, *reversed(made))
        return tuple(item.certificate for item in chain), tuple(item.certificate for item in strangers)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_order_of_the_rest_does_not_matter(data: st.DataObject) -> None:
    """Any part of the chain up from the leaf, and any strangers, in any order: the part comes back in order."""
    chain, strangers = certificates()
    length = data.draw(st.integers(0, LONGEST), label="CAs")
    some = data.draw(st.sets(st.sampled_from(range(len(strangers)))), label="strangers")
    wanted = chain[: length + 1]
    mixed = data.draw(st.permutations([*wanted[1:], *(strangers[number] for number in some)]), label="order")

    got, rest = climb(chain[0], tuple(mixed))

    assert (got, {*rest}, len(rest)) == (wanted, {strangers[number] for number in some}, len(some))
    assert (order_problem(got), signature_problem(got), self_signed(got[-1])) == ("", "", length == LONGEST)


@settings(max_examples=100, deadline=None)
@given(gap=st.integers(1, LONGEST - 1), data=st.data())
def test_a_gap_ends_the_chain(gap: int, data: st.DataObject) -> None:
    """What lies above a missing CA has no place, in whatever order it comes."""
    chain, _ = certificates()
    mixed = data.draw(st.permutations([item for item in chain[1:] if item != chain[gap]]))

    got, rest = climb(chain[0], tuple(mixed))

    assert (got, {*rest}) == (chain[:gap], {*chain[gap + 1 :]})
