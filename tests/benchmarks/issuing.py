"""Issuing: the library in one process against the guide's recipe of openssl commands, P-256 with an EC authority."""

import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from provisioner.model.certificate import Profile
from provisioner.pki import Authority, FileKeyStore, LocalIssuer
from tests.benchmarks.figures import Figure
from tests.fakes.authorities import specification
from tests.fakes.clock import FakeClock
from tests.integration.test_guide_recipe import ECC, EXTENSIONS, REQUEST, openssl

_NAME = "guide's recipe against issuing, EC"
_AUTHORITY = 2  # the recipe's first commands make the CA, which is there already in both cases
_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of its own is made there, private to this user


def issue_figures(rounds: int = 25) -> list[Figure]:
    """Return how many times quicker the library issues."""
    if shutil.which("openssl") is None:
        return [Figure(_NAME, 0, "times", note="left out: there is no openssl command")]
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as name:
        folder = Path(name)
        (folder / "server.csr.cfg").write_text(REQUEST, encoding="ascii")
        (folder / "server.crt.cfg").write_text(EXTENSIONS, encoding="ascii")
        for command in ECC[:_AUTHORITY]:
            openssl(folder, command)
        pairs = [(_seconds(folder, _recipe), _seconds(folder, _library)) for _ in range(rounds)]
    shell, library = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    note = (
        f"medians {shell * 1000:.1f} ms and {library * 1000:.1f} ms of {rounds} pairs; "
        "the library also checks what it keeps, and syncs it, in memory here, since disks differ"
    )
    times = median(one / other for one, other in pairs)
    return [Figure(_NAME, times, "times", 5, at_least=True, noise=2, note=note)]


def _seconds(folder: Path, work: Callable[[Path], None]) -> float:
    began = time.perf_counter()
    work(folder)
    return time.perf_counter() - began


def _recipe(folder: Path) -> None:
    script = " && ".join([*(f"openssl {command}" for command in ECC[_AUTHORITY:]), "cat server.crt CA.crt > chain.crt"])
    subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, check=True)


def _library(folder: Path) -> None:
    authority = Authority(folder / "CA.crt", folder / "CA.key")
    issuer = LocalIssuer(authority, FileKeyStore(folder / "keys"), FakeClock(datetime.now(UTC)))
    issuer.issue(specification(profile=Profile.GUIDE))
