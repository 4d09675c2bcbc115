"""A lock on a file that the operating system frees when its process ends, however it ends.

The only platform-dependent calls of this package.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(1 << 20)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """An exclusive lock that holds until ``release`` or the end of the process.

    Args:
        path: the file; made when missing, never removed, since removing it would let two hold it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def try_acquire(self, note: str) -> bool:
        """Take the lock and write a note for others into the file; return whether it could be taken.

        Raises ``OSError`` when the file can't be used at all.
        """
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        file = os.fdopen(handle, "r+", encoding="utf-8")
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            file.close()
            return False
        except OSError:
            file.close()
            raise
        self._write(file, note)
        self._file = file
        return True

    @staticmethod
    def _write(file: IO[str], note: str) -> None:
        try:
            file.seek(0)
            file.truncate()
            file.write(note)
            file.flush()
        except OSError:
            with contextlib.suppress(OSError):  # what could not be written can't be written at the end either
                file.close()
            raise

    def release(self) -> None:
        """Free the lock."""
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._file.close()
            self._file = None

    def note(self) -> str:
        """Return the holder's note, an empty text when there is none."""
        try:
            return self._path.read_text(encoding="utf-8")
        except OSError:
            return ""
