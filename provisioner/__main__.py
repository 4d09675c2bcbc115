"""The entry point of the command line."""

import sys
from typing import NoReturn

__all__ = ["run"]


def run() -> NoReturn:
    """Run the command line and exit; an interruption while it is still being loaded ends it without a word."""
    try:
        from provisioner.cli.main import run as run_command_line  # noqa: PLC0415  100 ms in which nothing has begun
    except KeyboardInterrupt:
        sys.exit(130)
    run_command_line()


if __name__ == "__main__":
    run()
