"""A small file written whole: after a crash it holds the older bytes or the new, no mixture."""

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace the file, mode 0600: written beside it, synced, renamed, its name synced."""
    temporary = path.with_name(f"{path.name}.new")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
