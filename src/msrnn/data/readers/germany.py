"""DWD's RY in HDF5."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np

from msrnn.data.readers.base import Header
from msrnn.data.readers.hdf5 import HDF5Reader
from msrnn.units import Units


@dataclass(frozen=True)
class GermanyReader(HDF5Reader):
    """DWD's RY in HDF5: mm in five minutes, integers in 1/100 mm; what is negative is missing."""

    name: ClassVar[str] = "germany"

    def headers(self, path: Path) -> list[Header]:
        return [Header(h.shape, h.times, Units("mm", 5.0), coords=h.coords) for h in super().headers(path)]

    def _values(self, array: h5py.Dataset, stored: np.ndarray) -> np.ndarray:
        values = np.asarray(stored, np.float64)
        missing = values < 0
        if array.dtype.kind in "iu":
            missing |= values >= np.iinfo(array.dtype).max
            values = values / 100
        return np.where(missing, np.nan, values)
