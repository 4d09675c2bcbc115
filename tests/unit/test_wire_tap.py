"""Reading TLS records: whole flights are read as they are, cut ones give less, and hostile bytes never an exception."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.wire import tap

HANDSHAKE, CHANGE_CIPHER, ALERT, DATA = 22, 20, 21, 23
SERVER_HELLO, CERTIFICATE, KEY_EXCHANGE, CERTIFICATE_REQUEST, DONE = 2, 11, 12, 13, 14
READERS: dict[str, Callable[[bytes], object]] = {
    "records": lambda data: list(tap.records(data)),
    "messages": lambda data: list(tap.handshake_messages(data)),
    "asked in clear": tap.asked_in_clear,
    "asked by shape": tap.asked_by_shape,
    "chain": tap.chain_in_clear,
    "version": tap.hello_version,
    "whole": tap.flight_is_whole,
    "alert": lambda data: tap.last_alert(data, 0, hidden=True),
}


def record(kind: int, payload: bytes) -> bytes:
    """Return a record."""
    return bytes([kind, 3, 3]) + len(payload).to_bytes(2) + payload


def message(kind: int, body: bytes = b"") -> bytes:
    """Return a handshake message."""
    return bytes([kind]) + len(body).to_bytes(3) + body


def certificates(*ders: bytes) -> bytes:
    """Return the body of a TLS 1.2 Certificate message."""
    listed = b"".join(len(der).to_bytes(3) + der for der in ders)
    return len(listed).to_bytes(3) + listed


def in_records(data: bytes, cuts: Sequence[int]) -> bytes:
    """Return handshake bytes spread over records, cut at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return b"".join(record(HANDSHAKE, data[begin:end]) for begin, end in pairwise(places))


def flight(*, asked: bool = True, done: bool = True) -> bytes:
    """Return the messages of a server's TLS 1.2 flight."""
    messages = [message(SERVER_HELLO, b"hello"), message(CERTIFICATE, certificates(b"leaf", b"ca"))]
    messages += [message(KEY_EXCHANGE, b"key")] + [message(CERTIFICATE_REQUEST, b"types")] * asked
    return b"".join(messages + [message(DONE)] * done)


kinds = st.integers(0, 255)
plausible = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.builds(record, st.sampled_from([HANDSHAKE, DATA, ALERT]), st.binary(max_size=40)),
        st.builds(
            lambda kind, body: record(HANDSHAKE, message(kind, body)),
            st.sampled_from([SERVER_HELLO, CERTIFICATE, CERTIFICATE_REQUEST, DONE]),
            st.one_of(st.binary(max_size=40), st.lists(st.binary(max_size=9)).map(lambda ders: certificates(*ders))),
        ),
        st.integers(0, 60).map(lambda cut: in_records(flight(), [cut])[:cut]),
    )
).map(b"".join)


@pytest.mark.parametrize("reader", READERS)
@given(data=st.one_of(st.binary(max_size=400), plausible))
def test_hostile_bytes_never_raise(reader: str, data: bytes) -> None:
    """Whatever a server sends, reading it ends without an exception."""
    READERS[reader](data)


@given(wanted=st.lists(st.tuples(kinds, st.binary(max_size=300))), cut=st.integers(0))
def test_records_are_read_as_they_were_written(wanted: list[tuple[int, bytes]], cut: int) -> None:
    """Whole records come out as they went in; of a cut stream, those that are whole."""
    stream = b"".join(record(kind, payload) for kind, payload in wanted)
    found = list(tap.records(stream[: cut % (len(stream) + 1)]))

    assert list(tap.records(stream)) == wanted
    assert found == wanted[: len(found)]


@given(wanted=st.lists(st.tuples(kinds.filter(lambda kind: kind != DONE), st.binary(max_size=300))), data=st.data())
def test_messages_are_read_however_records_cut_them(wanted: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """Messages over several records, and several in one, come out whole; other records between them are no part."""
    stream = b"".join(message(kind, body) for kind, body in wanted)
    cuts = data.draw(st.lists(st.integers(0, max(1, len(stream)))))

    assert list(tap.handshake_messages(record(ALERT, b"\1\0") + in_records(stream, cuts))) == wanted


@given(ders=st.lists(st.binary(max_size=300)), cuts=st.lists(st.integers(0, 2000)))
def test_a_chain_is_read_in_its_order(ders: list[bytes], cuts: list[int]) -> None:
    """The certificates come out as they were sent."""
    stream = message(SERVER_HELLO, b"hello") + message(CERTIFICATE, certificates(*ders))

    assert tap.chain_in_clear(in_records(stream, cuts)) == tuple(ders)


@given(cut=st.integers(0, 200), asked=st.booleans())
def test_a_cut_flight_says_no_more_than_it_shows(cut: int, *, asked: bool) -> None:
    """A demand is known once it is there; its absence only at the flight's end."""
    whole = in_records(flight(asked=asked), [7, 30])
    part = whole[:cut]
    expected = asked if cut >= len(whole) else None

    assert tap.asked_in_clear(whole) is asked
    assert tap.asked_in_clear(part) in {expected, asked or None}


def test_what_follows_the_flight_is_not_read() -> None:
    """After the flight's end handshake records are encrypted, and could look like anything."""
    encrypted = record(CHANGE_CIPHER, b"\1") + record(HANDSHAKE, message(CERTIFICATE_REQUEST, b"types"))

    assert tap.asked_in_clear(in_records(flight(asked=False), []) + encrypted) is False


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ()),
        (b"\0\0", ()),
        (certificates(), ()),
        (certificates(b"leaf", b"ca"), (b"leaf", b"ca")),
        (certificates(b"leaf", b"ca")[:-1], (b"leaf",)),
        (b"\xff\xff\xff" + certificates(b"leaf")[3:], (b"leaf",)),
        (b"\0\0\7\xff\xff\xffleaf", ()),
    ],
)
def test_an_odd_chain_gives_what_is_whole(body: bytes, expected: tuple[bytes, ...]) -> None:
    """Lengths that promise more than there is end the chain."""
    assert tap.chain_in_clear(in_records(message(CERTIFICATE, body), [])) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", False),
        (record(HANDSHAKE, b"hello") + record(CHANGE_CIPHER, b"\1") + record(DATA, bytes(69)), False),
        (record(HANDSHAKE, b"hello") + record(DATA, bytes(25)) + record(DATA, bytes(69)), True),
        (record(HANDSHAKE, b"hello") * 2 + record(CHANGE_CIPHER, b"\1") + record(DATA, bytes(53)), False),
        (record(HANDSHAKE, b"hello") * 2 + record(DATA, bytes(25)) + record(DATA, bytes(53)), True),
    ],
    ids=["nothing", "not asked", "asked", "not asked, second hello", "asked, second hello"],
)
def test_an_empty_certificate_is_a_record_of_its_own(sent: bytes, *, expected: bool) -> None:
    """In TLS 1.3 a client that was asked sends one encrypted record more before it is finished."""
    assert tap.asked_by_shape(sent) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\3\1random", "TLSv1.0"),
        (b"\3\2random", "TLSv1.1"),
        (b"\3\3random", "TLSv1.2"),
        (b"\3\0random", "SSLv3"),
        (b"\7\7random", None),
        (b"\3", None),
    ],
)
def test_the_version_is_that_of_the_server_hello(body: bytes, expected: str | None) -> None:
    """A flight of TLS 1.0 looks like one of 1.2; only its ServerHello tells them apart."""
    stream = in_records(message(SERVER_HELLO, body) + message(CERTIFICATE, certificates(b"leaf")), [])

    assert tap.hello_version(stream) == expected


def test_without_a_server_hello_there_is_no_version() -> None:
    """Other messages say nothing of it."""
    assert (tap.hello_version(b""), tap.hello_version(in_records(message(CERTIFICATE), []))) == (None, None)


BEFORE = record(HANDSHAKE, b"flight")


@pytest.mark.parametrize(
    ("behind", "hidden", "expected"),
    [
        (record(ALERT, b"\2\x28"), False, 40),
        (record(ALERT, b"\2\x74"), True, 116),
        (record(ALERT, bytes(26)), False, 0),
        (record(DATA, bytes(19)), True, 0),
        (record(DATA, bytes(19)), False, None),
        (record(DATA, bytes(20)), True, None),
        (record(ALERT, b"\2\x28") + record(DATA, bytes(40)), True, None),
        (record(DATA, bytes(40)) + record(ALERT, b"\2\x28"), True, 40),
        (record(ALERT, b"\2\x28")[:-1], False, None),
        (b"", False, None),
    ],
)
def test_the_last_record_may_be_an_alert(behind: bytes, expected: int | None, *, hidden: bool) -> None:
    """In clear with its number, encrypted without; and only as the last record behind the client's flight."""
    stream = BEFORE + behind

    assert tap.last_alert(stream, len(BEFORE), hidden=hidden) == expected
    assert tap.last_alert(stream, len(stream), hidden=hidden) is None


@pytest.mark.parametrize(("done", "expected"), [(True, True), (False, False)])
def test_a_flight_is_whole_at_its_last_message(*, done: bool, expected: bool) -> None:
    """A client answers it then, and not before."""
    assert tap.flight_is_whole(in_records(flight(done=done), [9])) is expected
