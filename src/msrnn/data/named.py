"""The paper's data sets in their own files: what is read, and which frame belongs to which split."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import h5py
import numpy as np

from msrnn.data.archive import Archive, find_files, open_archive
from msrnn.data.readers.base import DataError, Header, Reader, Sliced, View, reading
from msrnn.data.readers.hdf5 import HDF5Reader
from msrnn.data.windows import DAY_NS, NONE, TEST, TRAIN, VALIDATION
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
            raise DataError("no file", folder, "there is no such folder", f"--data.path names that of {settings.name}")
        return NAMED[settings.name].open(settings, folder)
    return open_archive(
        settings.name,
        settings.reader,
        settings.reader_options,
        settings.units,
        settings.interval_minutes,
        settings.skip_bad,
    )


KTH_VALIDATION, KTH_TEST = (14, 15, 16), tuple(range(17, 26))
"""Persons; the authors train with 1 to 16 and test with the others, of the 16 we hold three out."""
_KTH_NAME = re.compile(r"person(\d\d)_([a-z]+)_d\d_uncomp\.avi")


def _open_kth(settings: DataSettings, folder: Path) -> Archive:
    named = {path: _KTH_NAME.fullmatch(path.name) for path in find_files(folder)}
    chosen = [path for path, name in named.items() if name and name[2] in settings.actions]
    if not chosen:
        wanted = f"no video of {', '.join(settings.actions)} in it"
        raise DataError("no file", folder, wanted, "KTH's files are called person01_walking_d1_uncomp.avi and so on")
    return open_archive(chosen, "video", skip_bad=settings.skip_bad)


def _label_kth(archive: Archive) -> Labels:
    labels = []
    for sequence, source in zip(archive.sequences, archive.sources, strict=True):
        name = _KTH_NAME.fullmatch(source.path(0).name)
        assert name is not None, "only such files were opened"
        person = int(name[1])
        split = TEST if person in KTH_TEST else VALIDATION if person in KTH_VALIDATION else TRAIN
        labels.append(np.full(len(sequence), split))
    return labels


TAXIBJ_SLOTS = 48
"""Half hours of a day."""


@dataclass(frozen=True)
class TaxiBJReader(Reader):
    """TaxiBJ's HDF5 (Zhang et al. 2017): `data` (time, 2, 32, 32), `date` YYYYMMDDSS with slots SS from 01 to 48.

    Days of which a slot is missing, or comes twice, are left out.
    """

    name: ClassVar[str] = "taxibj"

    def headers(self, path: Path) -> list[Header]:
        with reading(path, "TaxiBJ HDF5"), h5py.File(path) as file:
            times, places = _complete_days(file["date"][()])
            _, channel, y, x = file["data"].shape
        if not len(places):
            raise DataError("no complete day", path, "has no day with all 48 slots", "fetch it again")
        return [Header((len(places), channel, y, x), times, "1")]

    def frames(self, path: Path) -> list[Sliced]:
        with h5py.File(path) as file:
            _, places = _complete_days(file["date"][()])
            data = file["data"][()][places]
        return [View(data.shape, lambda key: data[key], data.nbytes)]


def _complete_days(dates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times of the slots of complete days, rising, and where they are."""
    texts = [date.decode() if isinstance(date, bytes) else str(date) for date in dates.tolist()]
    days = np.array([np.datetime64(f"{t[:4]}-{t[4:6]}-{t[6:8]}", "ns") for t in texts])
    slots = np.array([int(t[8:10]) for t in texts])
    order = np.lexsort((slots, days))
    complete = []
    for day in np.unique(days):
        of_day = order[days[order] == day]
        if np.array_equal(slots[of_day], np.arange(1, TAXIBJ_SLOTS + 1)):
            complete.append(of_day)
    places = np.concatenate(complete) if complete else np.empty(0, np.int64)
    return days[places] + (slots[places] - 1) * np.timedelta64(30, "m"), places


def _open_taxibj(settings: DataSettings, folder: Path) -> Archive:
    files = [path for path in find_files(folder) if re.fullmatch(r"BJ\d\d_.*\.h5", path.name)]
    if not files:
        reason = "no TaxiBJ file in it"
        raise DataError("no file", folder, reason, "they are called BJ13_M32x32_T30_InOut.h5 and so on")
    return open_archive(files, TaxiBJReader(), skip_bad=settings.skip_bad)


def _label_taxibj(archive: Archive) -> Labels:
    """The last four weeks test, the four before them validate."""
    last = max(int(times.astype(np.int64).max()) for times in archive.times) // DAY_NS
    labels = []
    for times in archive.times:
        weeks_ago = (last - times.astype(np.int64) // DAY_NS) // 7
        labels.append(np.where(weeks_ago < 4, TEST, np.where(weeks_ago < 8, VALIDATION, TRAIN)))
    return labels


@dataclass(frozen=True)
class GermanyReader(HDF5Reader):
    """DWD's RY in HDF5: mm in five minutes, integers in 1/100 mm; what is negative is missing."""

    name: ClassVar[str] = "germany"

    def headers(self, path: Path) -> list[Header]:
        return [Header(h.shape, h.times, "mm", 5.0, coords=h.coords) for h in super().headers(path)]

    def _values(self, array: h5py.Dataset, stored: np.ndarray) -> np.ndarray:
        values = np.asarray(stored, np.float64)
        missing = values < 0
        if array.dtype.kind in "iu":
            missing |= values >= np.iinfo(array.dtype).max
            values = values / 100
        return np.where(missing, np.nan, values)


def _open_germany(settings: DataSettings, folder: Path) -> Archive:
    files = find_files(folder)
    hdf5 = [path for path in files if path.suffix.lower() in (".h5", ".hdf5", ".hdf")]
    if hdf5:
        return open_archive(hdf5, GermanyReader(), skip_bad=settings.skip_bad)
    radolan = [path for path in files if "ry" in path.name.lower()]
    if not radolan:
        fix = "give RYDL.hdf5, one HDF5 a year, or RADOLAN RY files (raa01-ry_...)"
        raise DataError("no file", folder, "no RY data in it", fix)
    return open_archive(radolan, "radolan", skip_bad=settings.skip_bad)


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
