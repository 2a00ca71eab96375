"""Composites of the ODIM data model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from msrnn.data.readers.base import Header, Reader, Sliced, evenly, one_by_one, reading
from msrnn.data.readers.hdf5 import number, text
from msrnn.data.readers.timestamps import nanoseconds, time_in_name
from msrnn.errors import SKIP_BAD, DataError, Setting
from msrnn.settings import UnitName
from msrnn.units import FLOOR_DBZ, Units


@dataclass(frozen=True)
class ODIMReader(Reader):
    """Composites in the ODIM HDF5 data model (OPERA): reflectivity, rain rate or accumulation.

    Pixels where nothing was detected are 0 mm or mm/h, or -10 dBZ.

    Args:
        quantity: which quantity; by default the first of DBZH, TH, RATE, ACRR in the file.
    """

    name: ClassVar[str] = "odim"
    quantity: str = ""

    @classmethod
    def recognises(cls, file: h5py.File) -> bool:
        """Say whether an HDF5 file is of this format."""
        kinds = (b"COMP", b"IMAGE", "COMP", "IMAGE")
        return "what" in file and file["what"].attrs.get("object") in kinds

    def headers(self, path: Path) -> list[Header]:
        with reading(path, "ODIM HDF5"), h5py.File(path) as file:
            group, data, quantity = self._find(path, file)
            what = _inherited(file, group, data, "what")
            where = _inherited(file, group, data, "where")
            end = _odim_time(what, "end") or _odim_time(what, "") or _missing_time(path)
            start = _odim_time(what, "start")
            height, width = data["data"].shape
            is_sum = ODIM_UNITS[quantity] == "mm"
            coords = {}
            if "xscale" in where and "yscale" in where:
                step_x, step_y = number(where["xscale"]), number(where["yscale"])
                coords = {
                    "y": evenly((height - 0.5) * step_y, -step_y, height, "y", "m", from_corner=True),
                    "x": evenly(0.5 * step_x, step_x, width, "x", "m", from_corner=True),
                }
            attrs: dict[str, Any] = {name: number(where[name]) for name in ODIM_CORNERS if name in where}
            if "projdef" in where:
                attrs["projection"] = text(where["projdef"])
        interval = float((end - start) / np.timedelta64(1, "m")) if is_sum and start is not None else None
        shape = (1, 1, height, width)
        times = nanoseconds([end])
        return [Header(shape, times, Units(ODIM_UNITS[quantity], interval), coords=coords, attrs=attrs)]

    def frames(self, path: Path) -> list[Sliced]:
        with h5py.File(path) as file:
            group, data, quantity = self._find(path, file)
            what = _inherited(file, group, data, "what")
            stored = data["data"][()]
        values = stored * number(what.get("gain", 1)) + number(what.get("offset", 0))
        dry = FLOOR_DBZ if ODIM_UNITS[quantity] == "dBZ" else 0.0
        values = np.where(stored == number(what.get("undetect", np.nan)), dry, values)
        values = np.where(stored == number(what.get("nodata", np.nan)), np.nan, values)
        return [one_by_one(values.astype(np.float32))]

    def _find(self, path: Path, file: h5py.File) -> tuple[h5py.Group, h5py.Group, str]:
        """Find the dataset group, its data group, and the quantity in it."""
        kind = text(file["what"].attrs["object"])
        if kind not in ("COMP", "IMAGE"):
            raise DataError("other object", path, f"holds {kind}, not a composite", "grid it first, e.g. with wradlib")
        found: dict[str, tuple[h5py.Group, h5py.Group]] = {}
        for group in (item for name, item in sorted(file.items()) if name.startswith("dataset")):
            for data in (item for name, item in sorted(group.items()) if name.startswith("data")):
                what = _inherited(file, group, data, "what")
                found.setdefault(text(what.get("quantity", "?")), (group, data))
        wanted = [self.quantity] if self.quantity else list(ODIM_UNITS)
        for quantity in wanted:
            if quantity in found and quantity in ODIM_UNITS:
                return *found[quantity], quantity
        raise DataError(
            "other quantity",
            path,
            f"holds {', '.join(found) or 'no data'}, wanted {' or '.join(wanted)}",
            ("choose with ", Setting("data.reader_options.quantity", "|".join(ODIM_UNITS))),
        )


ODIM_CORNERS = tuple(f"{corner}_{axis}" for corner in ("LL", "UL", "UR", "LR") for axis in ("lon", "lat"))
ODIM_UNITS: dict[str, UnitName] = {"DBZH": "dBZ", "TH": "dBZ", "DBZ": "dBZ", "RATE": "mm/h", "ACRR": "mm"}


def _inherited(file: h5py.File, group: h5py.Group, data: h5py.Group, name: str) -> dict[str, Any]:
    """Collect the attributes of `name` groups, the innermost last: ODIM lets them stand at any level."""
    found: dict[str, Any] = {}
    for level in (file, group, data):
        if name in level:
            found |= dict(level[name].attrs)
    return found


def _odim_time(what: dict[str, Any], which: str) -> np.datetime64 | None:
    if f"{which}date" not in what or f"{which}time" not in what:
        return None
    return time_in_name(text(what[f"{which}date"]) + text(what[f"{which}time"]))


def _missing_time(path: Path) -> np.datetime64:
    raise DataError("no time", path, "has no date and time in `what`", ("leave it out with ", SKIP_BAD))
