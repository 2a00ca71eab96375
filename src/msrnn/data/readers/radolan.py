"""DWD's RADOLAN composites."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from msrnn.data.readers.base import (
    RADAR_EXTRA,
    RADOLAN_PROJECTION,
    Header,
    Reader,
    Sliced,
    cells,
    one_by_one,
    reading,
    unpacked,
)
from msrnn.data.readers.timestamps import nanoseconds
from msrnn.errors import DataError
from msrnn.settings import UnitName
from msrnn.units import Units


@dataclass(frozen=True)
class RadolanReader(Reader):
    """DWD's RADOLAN composites (binary), of analyses and of nowcasts: `RADOLAN_UNITS` has the products.

    The first row is the northernmost.
    """

    name: ClassVar[str] = "radolan"
    signature: ClassVar[str] = r"[A-Z]{2}\d{11}\d{4}BY"

    def headers(self, path: Path) -> list[Header]:
        with reading(path, "RADOLAN"):
            _, attrs = self._read(path, loaddata=False)
            height, width = attrs["nrow"], attrs["ncol"]
            time = np.datetime64(attrs["datetime"]) + np.timedelta64(int(attrs.get("predictiontime", 0)), "m")
            product = str(attrs["producttype"])
            if product not in RADOLAN_UNITS:
                fix = f"known are {', '.join(RADOLAN_UNITS)}"
                raise DataError("other product", path, f"holds the product {product}", fix)
            units = RADOLAN_UNITS[product]
            return [
                Header(
                    (1, 1, height, width),
                    nanoseconds([time]),
                    Units(units, attrs["intervalseconds"] / 60 if units == "mm" else None),
                    coords=_radolan_coords(height, width),
                    attrs={
                        "projection": RADOLAN_PROJECTION,
                        "institution": "DWD",
                        "product": product,
                    },
                )
            ]

    def frames(self, path: Path) -> list[Sliced]:
        values, attrs = self._read(path)
        if RADOLAN_UNITS[attrs["producttype"]] == "dBZ":
            values = values / 2 - 32.5  # RVP6 units
        return [one_by_one(np.asarray(values[::-1], np.float32))]

    def _read(self, path: Path, loaddata: bool = True) -> tuple[Any, dict[str, Any]]:
        try:
            from wradlib.io import radolan
        except ImportError as error:
            raise DataError("wradlib is missing", path, "reading RADOLAN needs wradlib", RADAR_EXTRA) from error
        content = io.BytesIO(unpacked(path))
        values, attrs = radolan.read_radolan_composite(content, missing=np.nan, loaddata=loaddata)
        return values, attrs


SUMS = (
    "RY", "RW", "RH", "RB", "RL", "RU", "RS", "RQ", "RV", "RZ", "EY", "EZ", "EW", "EB", "EH", "YW",
    "SF", "SH", "SQ", "D2", "D3", "S2", "S3", "W1", "W2", "W3", "W4",
)  # fmt: skip
RADOLAN_UNITS: dict[str, UnitName] = {
    **dict.fromkeys(("RX", "WX", "EX", "WN"), "dBZ"),
    **dict.fromkeys(SUMS, "mm"),
    "RE": "1",  # the solid share of precipitation
}
"""Products to units; reflectivity comes in steps of half a dB from -32.5 dBZ."""
_GRIDS = {(900, 900): (-523_462.0, -4_658_645.0), (1200, 1100): (-543_462.0, -4_808_645.0)}
"""(rows, columns) to the lower left corner, x and y in metres (DWD, RADOLAN composites on the sphere)."""


def _radolan_coords(height: int, width: int) -> dict[str, xr.Variable]:
    if (height, width) not in _GRIDS:
        return {}
    left, bottom = _GRIDS[height, width]
    return cells(left, bottom, 1000.0, height, width)
