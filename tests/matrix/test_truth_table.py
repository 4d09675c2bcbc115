"""The probe against every server and setting that may stand at the endpoint, held against a table and against openssl.

A failure shows all cells of a server that differ, and not the first one alone.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading, Required, Stage
from provisioner.wire import mqtt
from provisioner.wire.probe import StdlibWireProbe
from tests.matrix.cells import Cell, running
from tests.matrix.rows import ROWS, Verdict
from tests.servers import tls
from tests.servers.ports import HOST
from tests.servers.truth import NAME, Served, alert, answer, fingerprint, serves

LEAF = fingerprint(tls.CERTIFICATES.server.chain_pem)
TIMES = 3
AT_ONCE = 16
_NO_PROGRAM = {"threads", "asyncio"}
SERVERS = [pytest.param(server, marks=[] if server in _NO_PROGRAM else getattr(pytest.mark, server)) for server in ROWS]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one probe of a cell saw, or has to see."""

    leaf_sha256: str | None
    tls_version: str | None
    verdict: Verdict

    def __str__(self) -> str:
        leaf = "the leaf" if self.leaf_sha256 == LEAF else f"leaf {self.leaf_sha256}"
        stage = self.verdict.stage or "no MQTT"
        return f"{leaf} in {self.tls_version}, asked {self.verdict.asked}, required {self.verdict.required}, {stage}"


@pytest.fixture(scope="module", params=SERVERS)
def cells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Cell]]:
    """Start a server in every setting and version."""
    server: str = request.param
    with running(server, Path(tmp_path_factory.mktemp(server))) as started:
        yield started


def test_the_probe_says_of_each_cell_what_the_table_says(cells: list[Cell]) -> None:
    """Leaf, demand, and how far it came are the same in every one of several probes."""
    differing = differences(cells, probed)

    assert not differing, table(differing, len(cells))


@pytest.mark.openssl
def test_openssl_sees_what_the_table_says(cells: list[Cell]) -> None:
    """The table itself is true: leaf and demand, who is answered, and whether a refusal is an alert or a mere close."""
    differing = differences(cells, measured)

    assert not differing, table(differing, len(cells))


def probed(cell: Cell) -> Iterator[tuple[str, str]]:
    """Yield what has to be seen of a cell and what is seen, each time that it is probed."""
    version = "TLSv1.2" if "1.2" in cell.spoken else "TLSv1.3"
    expected = Seen(LEAF, version, cell.row.expected)
    probe = StdlibWireProbe(timeout=cell.row.within)
    for _ in range(TIMES):
        reading = probe.probe(Endpoint(NAME, cell.port), HOST)
        yield str(expected), str(Seen(reading.leaf_sha256, reading.tls_version, judged(reading, cell.row.expected)))


def judged(reading: AddressReading, expected: Verdict) -> Verdict:
    """Return the verdict of a reading, as far as the expected one goes."""
    open_stage = expected.stage is None and reading.stage is not Stage.ANSWERED
    return Verdict(reading.asked, reading.required, None if open_stage else reading.stage)


def measured(cell: Cell) -> Iterator[tuple[str, str]]:
    """Yield what openssl's client has to see of a cell and what it sees."""
    expected = cell.row.expected
    yield str(Served(LEAF, expected.asked)), str(serves(cell.port))
    if expected.stage is Stage.ANSWERED:
        yield "CONNACK", "CONNACK" if answer(cell.port, mqtt.connect_packet()) == b"\x20" else "no CONNACK"
    if expected.required in {Required.YES, Required.LIKELY}:
        comes = expected.required is Required.YES
        yield f"alert {comes}", f"alert {bool(alert(cell.port))}"


def differences(cells: list[Cell], look: Callable[[Cell], Iterator[tuple[str, str]]]) -> list[str]:
    """Return lines for each cell that is seen otherwise than it has to be; many cells are looked at at once."""

    def of(cell: Cell) -> list[str]:
        wrong = Counter((want, saw) for want, saw in look(cell) if want != saw)
        return [f"{cell}\n  expected {want}\n  seen     {saw} ({n} times)" for (want, saw), n in wrong.items()]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [line for lines in pool.map(of, cells) for line in lines]


def table(differing: list[str], size: int) -> str:
    """Return the message of a failure."""
    return "\n".join([f"{len(differing)} differences in {size} cells:", *differing])
