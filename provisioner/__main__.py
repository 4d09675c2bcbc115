"""The entry point of the command line."""

from provisioner.cli.main import run

__all__ = ["run"]

if __name__ == "__main__":
    run()
