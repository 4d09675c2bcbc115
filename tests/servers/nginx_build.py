"""What an nginx was built with: whether its stream module is in the executable, in a file, or nowhere."""

import re
from pathlib import Path

_MODULE = "ngx_stream_module.so"


def stream_module(build: str) -> Path | None:
    """Return the file of the stream module of the nginx that prints ``build``, None when the executable has it."""
    if "--with-stream=dynamic" not in build:
        return None
    folder = re.search(r"--modules-path=(\S+)", build)
    return Path(folder[1] if folder else "modules") / _MODULE


def lacks_stream(build: str) -> str:
    """Return why the nginx that prints ``build`` can't balance TCP and end TLS, an empty text when it can."""
    for option in ("--with-stream", "--with-stream_ssl_module"):
        if not re.search(rf"{option}(=|\s|$)", build):
            return f"it was built without {option}"
    module = stream_module(build)
    return "" if module is None or module.is_file() else f"its stream module is not installed: {module} is missing"
