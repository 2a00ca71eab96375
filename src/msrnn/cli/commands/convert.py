"""The command `msrnn data convert`."""

import sys
from pathlib import Path
from typing import Annotated, Any

from msrnn.cli.messages import at_least_one
from msrnn.cli.parsing import Options
from msrnn.errors import Setting, SettingsError
from msrnn.settings import ReaderSettings, read_settings


def convert(
    path: list[str],
    /,
    *,
    to: str,
    files: Annotated[dict[str, Any], Options(ReaderSettings, "data.")],
    size: tuple[int, int] | None = None,
) -> None:
    """Make one chunked Zarr store of files; an interrupted conversion goes on where it was.

    Args:
        path: Files, folders, or patterns in quotes.
        to: The store to make, .zarr.
        size: Resize frames to this height and width, by area mean (of mm/h).
    """
    if Path(to).suffix != ".zarr":
        raise SettingsError(Setting("to", to), ": a store is called something.zarr")
    if size is not None:
        at_least_one(size=min(size))
    from msrnn.data.archive import open_archive
    from msrnn.data.write import convert as make_store

    archive = open_archive(path, read_settings(ReaderSettings, files, "data."))
    make_store(archive, Path(to), size)
    for line in archive.skipped_lines:
        sys.stderr.write(f"skipped: {line}\n")
    frames = sum(map(len, archive.sequences))
    done = f"{to}: {frames} frames, {len(archive.skipped)} skipped"
    sys.stderr.write(f"{done}; next: msrnn train --model ms-predrnn --data {to} --out runs/first\n")
