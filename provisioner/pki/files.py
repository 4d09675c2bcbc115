"""Private files: readable by their owner only, written whole or not at all.

The only place with POSIX permission calls for keys. On Windows the modes do nothing and access lists decide.
"""

import os
import stat
import tempfile
from pathlib import Path

from provisioner.errors import UnusableError

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


def private_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing, with mode 0700 whatever the umask."""
    missing = [path, *path.parents]
    for directory in reversed([item for item in missing if not exists(item)]):
        try:
            directory.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
            directory.chmod(PRIVATE_DIRECTORY)
        except OSError as error:
            raise UnusableError(
                f"{directory}: can't be made: {error.strerror}; nothing was changed",
                hint="check the permissions of the directory above it",
            ) from error


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file with mode 0600 in a 0700 directory, whole or not at all.

    Args:
        path: where to.
        content: what.
        replace: take the place of an existing file; otherwise an existing file is an error.

    Raises:
        UnusableError: the file exists, or can't be written; nothing was changed.
    """
    private_directory(path.parent)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(PRIVATE_FILE)
            _place(temporary, path, replace=replace)
        finally:
            temporary.unlink(missing_ok=True)
        sync_directory(path.parent)
    except FileExistsError as error:
        raise UnusableError(
            f"{path}: exists already and is never overwritten; nothing was changed",
            hint="name another file, or move this one away",
        ) from error
    except OSError as error:
        raise UnusableError(f"{path}: can't be written: {error.strerror}; nothing was changed") from error


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, where the platform can."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def exists(path: Path) -> bool:
    """Tell whether a file or directory is there. Raises ``UnusableError`` where this user may not look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _closed(path, error) from error
    return True


def names_in(directory: Path) -> tuple[str, ...]:
    """Return the names in a directory, none when it isn't there. Raises ``UnusableError`` where they can't be read."""
    try:
        return tuple(item.name for item in directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise _closed(directory, error) from error


def read_file(path: Path, what: str) -> bytes:
    """Return a file's content. Raises ``UnusableError`` that names the file and what it should hold."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableError(
            f"{path}: {what} can't be read: {error.strerror}; nothing was changed",
            hint=f"check that {path} exists and that this user may read it",
        ) from error


def require_private(path: Path) -> None:
    """Raise ``UnusableError`` when others than the owner may read a key."""
    if os.name != "posix":
        return
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise UnusableError(
            f"{path}: a private key can't be read: {error.strerror}; nothing was changed",
            hint=f"check that {path} exists and that this user may read it",
        ) from error
    if mode & 0o077:
        raise UnusableError(
            f"{path}: mode {mode:04o} lets others read a private key, expected 0600; nothing was changed",
            hint=f"chmod 600 {path}; if others had access, issue a new certificate",
        )


def _closed(path: Path, error: OSError) -> UnusableError:
    return UnusableError(
        f"{path}: can't be looked at: {error.strerror}; nothing was changed",
        hint=f"check whose {path} is, and run the command as the user who owns it",
    )


def _place(temporary: Path, path: Path, *, replace: bool) -> None:
    if replace:
        temporary.replace(path)
    elif os.name == "posix":
        os.link(temporary, path)
    else:
        temporary.rename(path)
