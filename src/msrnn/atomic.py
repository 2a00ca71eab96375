"""Files that are either there, whole, or not there."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = 64 << 10
"""A disk with fewer bytes free than this is full."""


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it replaces `path`, on error it is removed.

    Raises:
        OSError: it cannot be written; with errno ENOSPC if the disk is full, whatever the library that writes raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        partial.touch()
        mode = partial.stat().st_mode
        yield partial
        partial.chmod(mode)  # some libraries make files that nobody else may read
        _flush(partial)
        partial.replace(path)
        _flush(path.parent)
    except Exception as error:
        if shutil.disk_usage(path.parent).free < FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def discard_partials(folder: Path) -> None:
    """Remove what a process that was killed while it wrote has left in a folder."""
    for path in filter(is_partial, folder.glob(".*")):
        path.unlink(missing_ok=True)


def is_partial(path: Path) -> bool:
    """Say whether a file is one of `written`'s temporary ones."""
    return re.fullmatch(r"\..+\.\d+(\.\w+)?", path.name) is not None and path.is_file()


def _flush(path: Path) -> None:
    """Flush a file, or the names in a folder where the system can, to the disk."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
