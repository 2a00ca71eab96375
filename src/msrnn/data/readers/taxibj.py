"""TaxiBJ's HDF5."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np

from msrnn.data.readers.base import Header, Reader, Sliced, View, reading
from msrnn.errors import DataError
from msrnn.units import Units

TAXIBJ_SLOTS = 48
"""Half hours of a day."""


@dataclass(frozen=True)
class TaxiBJReader(Reader):
    """TaxiBJ's HDF5 (Zhang et al. 2017): `data` (time, 2, 32, 32), `date` YYYYMMDDSS with slots SS from 01 to 48.

    Days of which a slot is missing, or comes twice, are left out.
    """

    name: ClassVar[str] = "taxibj"

    @classmethod
    def recognises(cls, file: h5py.File) -> bool:
        """Say whether an HDF5 file is of this format."""
        if set(file) != {"data", "date"} or not len(file["date"]):
            return False
        if file["data"].ndim != 4 or file["data"].shape[1] != 2:
            return False
        first = file["date"][0]
        return len(first.decode() if isinstance(first, bytes) else str(first)) == 10

    def headers(self, path: Path) -> list[Header]:
        with reading(path, "TaxiBJ HDF5"), h5py.File(path) as file:
            times, places = _complete_days(file["date"][()])
            _, channel, y, x = file["data"].shape
        if not len(places):
            raise DataError("no complete day", path, "has no day with all 48 slots", "fetch it again")
        return [Header((len(places), channel, y, x), times, Units())]

    def frames(self, path: Path) -> list[Sliced]:
        with h5py.File(path) as file:
            _, places = _complete_days(file["date"][()])
            data = file["data"][()][places]
        return [View(data.shape, lambda key: data[key], data.nbytes)]


def _complete_days(dates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the slots of complete days: their times, rising, and their places."""
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
