"""Data sets with a name: one file here and one row of `msrnn.settings.DATA_SETS` each.

A file has two functions: `open_files(settings, folder)` opens an `Archive`, `split_frames(archive)` says which frame
belongs to which split.
"""

from importlib import import_module
from pathlib import Path

from msrnn.data.archive import Archive, open_archive
from msrnn.data.splits import Labels
from msrnn.errors import DataError, Setting
from msrnn.settings import DATA_SETS, DataSettings


def open_files(settings: DataSettings) -> tuple[Archive, Labels | None]:
    """Open the files that settings name.

    Returns:
        The archive and, for a data set with a name, its own split.

    Raises:
        SettingsError: a file is missing or cannot be used.
    """
    if settings.name not in DATA_SETS:
        return open_archive(settings.name, settings.reader_settings), None
    folder = Path(settings.path or "")
    if not folder.exists():
        fix = (Setting("data.path"), f" names that of {settings.name}")
        raise DataError("no file", folder, "there is no such folder", fix)
    module = import_module(DATA_SETS[settings.name].module)
    archive: Archive = module.open_files(settings, folder)
    labels: Labels = module.split_frames(archive)
    return archive, labels
