"""Whatever a server sends: less is seen, nothing is raised."""

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.wire import mqtt, tap

QUICK = settings(max_examples=300, deadline=None)


def _record(kind: int, payload: bytes, length: int | None) -> bytes:
    said = len(payload) if length is None else length
    return bytes([kind, 3, 3]) + said.to_bytes(2) + payload


def _message(kind: int, body: bytes, length: int | None) -> bytes:
    said = len(body) if length is None else length
    return bytes([kind]) + said.to_bytes(3) + body


def _certificates(parts: list[bytes], length: int | None) -> bytes:
    listed = b"".join(len(part).to_bytes(3) + part for part in parts)
    return (len(listed) if length is None else length).to_bytes(3) + listed


LENGTHS = st.none() | st.integers(0, 2**16 - 1)
BODIES = st.binary(max_size=40) | st.builds(_certificates, st.lists(st.binary(max_size=12), max_size=3), LENGTHS)
MESSAGES = st.builds(_message, st.sampled_from([2, 11, 12, 13, 14, 22]), BODIES, LENGTHS)
RECORDS = st.builds(_record, st.sampled_from([20, 21, 22, 23, 99]), MESSAGES | st.binary(max_size=40), LENGTHS)
STREAMS = st.binary(max_size=200) | st.lists(RECORDS, max_size=5).map(b"".join)


@QUICK
@given(data=STREAMS)
def test_the_tap_is_total(data: bytes) -> None:
    """Every reading of any bytes ends in a value of its type, and shows only what was in them."""
    assert all(payload in data for _, payload in tap.records(data))
    assert all(len(body) <= len(data) for _, body in tap.handshake_messages(data))
    assert tap.asked_in_clear(data) in {True, False, None}
    assert tap.asked_by_shape(data) in {True, False}
    assert sum(map(len, tap.chain_in_clear(data))) <= len(data)
    assert tap.flight_is_whole(data) in {True, False}
    assert tap.hello_version(data) in {None, "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"}
    assert tap.last_alert(data, 0, hidden=True) in {None, *range(256)}


@QUICK
@given(data=STREAMS, cut=st.integers(0, 200))
def test_what_was_seen_stays_seen(data: bytes, cut: int) -> None:
    """More bytes never take back a record that was whole."""
    before = list(tap.records(data[:cut]))
    assert list(tap.records(data))[: len(before)] == before


@QUICK
@given(data=st.binary(max_size=20) | st.binary(max_size=4).map(lambda rest: b"\x20\x02" + rest))
def test_any_answer_of_a_broker(data: bytes) -> None:
    """It is a CONNACK with its code, or none."""
    code = mqtt.connack_code(data)
    assert code is None or 0 <= code <= 255
