"""Files that a command is given by name."""

from pathlib import Path

from salus.base.errors import Category, Problem


def read_file(path: Path) -> bytes:
    """The whole file; raises Problem FileUnreadable."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Problem(
            Category.NOT_FOUND, "FileUnreadable", f"{path}: {error.strerror}; name another file"
        ) from None
