"""Where output goes: results to stdout, talk to stderr."""

import json
import sys

from rich.console import Console

err = Console(stderr=True)
out = Console()


def print_json(document: object) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()
