"""The paper's data sets in their own files: what is read, and which frame belongs to which split."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from msrnn.data.archive import Archive, find_files, open_archive
from msrnn.data.readers import is_zarr
from msrnn.data.splits import DAY_NS, NONE, TEST, TRAIN, VALIDATION
from msrnn.errors import DataError, Setting
from msrnn.settings import DataSettings

Labels = list[np.ndarray]
"""For each sequence, the split of each frame."""


class NamedSet(NamedTuple):
    """What a data set's name stands for."""

    open: Callable[[DataSettings, Path], Archive]
    labels: Callable[[Archive], Labels]


def open_files(settings: DataSettings) -> Archive:
    """The files that settings name.

    Raises:
        SettingsError: a file is missing or cannot be used.
    """
    if settings.name in NAMED:
        assert settings.path is not None, "settings see to it"
        folder = Path(settings.path)
        if not folder.exists():
            raise DataError(
                "no file", folder, "there is no such folder", (Setting("data.path"), f" names that of {settings.name}")
            )
        return NAMED[settings.name].open(settings, folder)
    return open_archive(settings.name, settings.reader_settings)


KTH_VALIDATION, KTH_TEST = (14, 15, 16), tuple(range(17, 26))
"""Persons; the authors train with 1 to 16 and test with the others, of the 16 we hold three out."""
_KTH_NAME = re.compile(r"person(\d\d)_([a-z]+)_d\d_uncomp\.avi")


def _open_kth(settings: DataSettings, folder: Path) -> Archive:
    named = {path: _KTH_NAME.fullmatch(path.name) for path in find_files(folder)}
    chosen = [path for path, name in named.items() if name and name[2] in settings.actions]
    if not chosen:
        wanted = f"no video of {', '.join(settings.actions)} in it"
        raise DataError("no file", folder, wanted, "KTH's files are called person01_walking_d1_uncomp.avi and so on")
    return open_archive(chosen, reader="video", skip_bad=settings.skip_bad)


def _label_kth(archive: Archive) -> Labels:
    labels = []
    for sequence, source in zip(archive.sequences, archive.sources, strict=True):
        name = _KTH_NAME.fullmatch(source.path(0).name)
        assert name is not None, "only such files were opened"
        person = int(name[1])
        split = TEST if person in KTH_TEST else VALIDATION if person in KTH_VALIDATION else TRAIN
        labels.append(np.full(len(sequence), split))
    return labels


def _open_taxibj(settings: DataSettings, folder: Path) -> Archive:
    files = [path for path in find_files(folder) if re.fullmatch(r"BJ\d\d_.*\.h5", path.name)]
    if not files:
        reason = "no TaxiBJ file in it"
        raise DataError("no file", folder, reason, "they are called BJ13_M32x32_T30_InOut.h5 and so on")
    return open_archive(files, reader="taxibj", skip_bad=settings.skip_bad)


def _label_taxibj(archive: Archive) -> Labels:
    """The last four weeks test, the four before them validate."""
    last = max(int(times.astype(np.int64).max()) for times in archive.times) // DAY_NS
    labels = []
    for times in archive.times:
        weeks_ago = (last - times.astype(np.int64) // DAY_NS) // 7
        labels.append(np.where(weeks_ago < 4, TEST, np.where(weeks_ago < 8, VALIDATION, TRAIN)))
    return labels


def _open_germany(settings: DataSettings, folder: Path) -> Archive:
    files = find_files(folder)
    stores = [path for path in files if is_zarr(path)]
    if stores:
        return open_archive(stores, skip_bad=settings.skip_bad)
    hdf5 = [path for path in files if path.suffix.lower() in (".h5", ".hdf5", ".hdf")]
    if hdf5:
        return open_archive(hdf5, reader="germany", skip_bad=settings.skip_bad)
    radolan = [path for path in files if re.search(r"(^|[^a-z])ry[\d_-]", path.name.lower())]
    if not radolan:
        fix = "give RYDL.hdf5, one HDF5 a year, RADOLAN RY files (raa01-ry_...), or a Zarr store made of them"
        raise DataError("no file", folder, "no RY data in it", fix)
    return open_archive(radolan, reader="radolan", skip_bad=settings.skip_bad)


def _label_germany(archive: Archive) -> Labels:
    """2006-2014 train, 2015 validates, 2016 and 2017 test."""
    years = [times.astype("datetime64[Y]").astype(int) + 1970 for times in archive.times]
    cuts, splits = (2006, 2015, 2016, 2018), np.array((NONE, TRAIN, VALIDATION, TEST, NONE))
    return [splits[np.searchsorted(cuts, year, side="right")] for year in years]


NAMED: dict[str, NamedSet] = {
    "kth": NamedSet(_open_kth, _label_kth),
    "taxibj": NamedSet(_open_taxibj, _label_taxibj),
    "germany": NamedSet(_open_germany, _label_germany),
}
