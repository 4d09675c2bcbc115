"""Installing programs from Debian, without a service started or enabled by it."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.servers.programs import Program

POLICY = Path("/usr/sbin/policy-rc.d")
# Asked by Debian's packages before they start a service; 101 forbids. Killed tests must not forbid for ever.
_FORBIDS = """#!/bin/sh
# No service is started while the tests of provisioner install packages (process {pid}).
kill -0 {pid} 2>/dev/null && exit 101
[ ! -x {kept} ] || exec {kept} "$@"
exit 0
"""


def install(wanted: Sequence[Program]) -> str:
    """Install programs and return why that failed, an empty text when it did not."""
    if shutil.which("apt-get") is None:
        return "this is not a Debian system: there is no apt-get"
    if os.geteuid() != 0:
        return "apt-get wants to be run as root"
    packages = [package for program in wanted for package in program.packages]
    with services_forbidden():
        lacking = _run("apt-get", "update", "-q") or _run(
            "apt-get", "install", "-q", "-y", "-o", "DPkg::Lock::Timeout=120", "--no-install-recommends", *packages
        )
    for program in wanted:
        if program.service is not None and not lacking:
            lacking = _run("update-rc.d", program.service, "disable")
    return lacking


@contextlib.contextmanager
def services_forbidden(policy: Path = POLICY) -> Iterator[None]:
    """Keep Debian's packages from starting services for a block; what policy there was before is there again after."""
    kept = policy.with_name(f"{policy.name}.kept-by-tests")
    if policy.exists() and not kept.exists():
        policy.rename(kept)
    policy.write_text(_FORBIDS.format(pid=os.getpid(), kept=kept), encoding="ascii")
    policy.chmod(0o755)
    try:
        yield
    finally:
        if kept.exists():
            kept.replace(policy)
        else:
            policy.unlink()


def _run(*command: str) -> str:
    """Run a command and return its last words when it fails, an empty text when it does not."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, errors="replace"
    )
    words = (done.stderr or done.stdout).strip().splitlines()
    return "" if done.returncode == 0 else f"{' '.join(command)}: {words[-1] if words else done.returncode}"
