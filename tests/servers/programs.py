"""The outside programs that tests want: what for, where Debian has them, and whether they are here.

One row of ``PROGRAMS`` is all that a further program needs, besides a marker of its name in ``pyproject.toml``, where a
hyphen is an underscore.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from tests.servers.nginx_build import lacks_stream

# Debian puts servers where the search path of ordinary users does not lead.
_MORE_PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True, slots=True)
class Program:
    """A program, and how to tell that it is the right one.

    Attributes:
        name: the executable; tests that want it carry its marker.
        purpose: what the tests do with it.
        packages: the Debian packages that have it and what it cannot do without.
        asked: the arguments with which it prints its version.
        version: finds the major version in what it prints, as the first group.
        least: the lowest major version that will do.
        service: Debian's name of the service that comes with the packages, None when none does.
        mark: the marker, where it is not the name.
        lacks_part: returns why a program that prints this cannot do what the tests want, an empty text when it can.
    """

    name: str
    purpose: str
    packages: tuple[str, ...]
    asked: tuple[str, ...]
    version: str
    least: int
    service: str | None = None
    mark: str | None = None
    lacks_part: Callable[[str], str] | None = None

    def lack(self) -> str:
        """Return why the program can't be used, an empty text when it can."""
        path = find(self.name)
        if path is None:
            return "not found"
        done = subprocess.run([path, *self.asked], capture_output=True, text=True, check=False, timeout=30)
        said = done.stdout + done.stderr
        found = re.search(self.version, said)
        if found is None:
            return f"{path} is another program or can't be run"
        if int(found[1]) < self.least:
            return f"{path} is version {found[1]}, wanted is {self.least} or later"
        return self.lacks_part(said) if self.lacks_part else ""

    @property
    def marker(self) -> str:
        """The marker of tests that want it."""
        return self.mark or self.name.replace("-", "_")

    def advice(self) -> str:
        """Return how to get it."""
        return f"apt-get install {' '.join(self.packages)}, or set PROVISIONER_TEST_INSTALL=1"


PROGRAMS = (
    Program(
        name="mosquitto",
        purpose="the probe, the canary and whole runs against a broker that is not ours",
        packages=("mosquitto",),
        asked=("-h",),
        version=r"mosquitto version (\d+)",
        least=2,
        service="mosquitto",
    ),
    Program(
        name="mosquitto_pub",
        purpose="a device that is not ours, with and without a certificate",
        packages=("mosquitto-clients",),
        asked=("--help",),
        version=r"mosquitto_pub version (\d+)",
        least=2,
    ),
    Program(
        name="nginx",
        purpose="a balancer and a TLS terminator before brokers",
        packages=("nginx", "libnginx-mod-stream"),
        asked=("-V",),
        version=r"nginx/(\d+)",
        least=1,
        service="nginx",
        lacks_part=lacks_stream,
    ),
    Program(
        name="haproxy",
        purpose="a balancer and a TLS terminator before brokers, other than nginx",
        packages=("haproxy",),
        asked=("-v",),
        version=r"HA-?Proxy version (\d+)",
        least=2,
        service="haproxy",
    ),
    Program(
        name="gnutls-serv",
        purpose="a TLS server that is not of OpenSSL's family",
        packages=("gnutls-bin",),
        asked=("--version",),
        version=r"gnutls-serv (\d+)",
        least=3,
        mark="gnutls",
    ),
    Program(
        name="openssl",
        purpose="the guide's recipe, a verifier and TLS servers that are not Python's",
        packages=("openssl",),
        asked=("version",),
        version=r"OpenSSL (\d+)",
        least=3,
    ),
    Program(
        name="systemd-analyze",
        purpose="what systemd says of the units in config/",
        packages=("systemd",),
        asked=("--version",),
        version=r"systemd (\d+)",
        least=252,
    ),
    Program(
        name="curl",
        purpose="the README's lines for trying every command by hand",
        packages=("curl",),
        asked=("--version",),
        version=r"curl (\d+)",
        least=7,
    ),
    Program(
        name="prlimit",
        purpose="a disk that takes no more",
        packages=("util-linux",),
        asked=("--version",),
        version=r"util-linux (\d+)",
        least=2,
    ),
    Program(
        name="setpriv",
        purpose="files that even root may not read or write",
        packages=("util-linux",),
        asked=("--version",),
        version=r"util-linux (\d+)",
        least=2,
    ),
)


def find(executable: str) -> str | None:
    """Return where an executable is, None when it is nowhere."""
    places = [os.environ.get("PATH", os.defpath), *_MORE_PLACES]
    return shutil.which(executable, path=os.pathsep.join(places))


def nothing_left_out() -> bool:
    """Return whether a missing program is a failure, as it is wherever ``CI`` is set."""
    return os.environ.get("CI", "") not in {"", "0", "false"}
