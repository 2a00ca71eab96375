"""ESRI ASCII grids."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from msrnn.data.readers.base import (
    RADOLAN_PROJECTION,
    Header,
    Reader,
    Sliced,
    cells,
    given_units,
    one_by_one,
    reading,
    unpacked,
)
from msrnn.data.readers.timestamps import nanoseconds, time_in_name


@dataclass(frozen=True)
class ASCIIGridReader(Reader):
    """ESRI ASCII grids; DWD's hourly RW and five-minute YW grids in 1/10 and 1/100 mm are known by their names.

    Args:
        units: of the numbers, after scaling.
        interval_minutes: of units mm.
        scale: numbers are multiplied by it.
        pattern: of the time in the name, e.g. %Y%m%d-%H%M; by default a stamp of date and time is looked for.
    """

    name: ClassVar[str] = "esri-ascii"
    signature: ClassVar[str] = r"\s*(ncols|nrows)\s+\d+"
    units: str | None = None
    interval_minutes: float | None = None
    scale: float | None = None
    pattern: str = ""

    def headers(self, path: Path) -> list[Header]:
        with reading(path, "ESRI ASCII grid"):
            head = _ascii_head(unpacked(path))
        _, interval = self._product(path)
        height, width = int(head["nrows"]), int(head["ncols"])
        edge = head["cellsize"]
        left = head.get("xllcorner", head.get("xllcenter", 0) - edge / 2)
        bottom = head.get("yllcorner", head.get("yllcenter", 0) - edge / 2)
        time = time_in_name(path.name, self.pattern)
        return [
            Header(
                (1, 1, height, width),
                None if time is None else nanoseconds([time]),
                given_units(self.units or ("mm" if interval else None), self.interval_minutes or interval),
                coords=cells(left, bottom, edge, height, width),
                attrs={"projection": RADOLAN_PROJECTION} if interval else {},
            )
        ]

    def frames(self, path: Path) -> list[Sliced]:
        content = unpacked(path)
        head = _ascii_head(content)
        rows, columns = int(head["nrows"]), int(head["ncols"])
        numbers = np.array(content.split()[2 * len(head) :], np.float64)
        if numbers.size != rows * columns:
            raise ValueError(f"{numbers.size} numbers, {rows} x {columns} wanted")
        scale = self.scale or self._product(path)[0]
        values = np.where(numbers == head.get("nodata_value", np.nan), np.nan, numbers * scale)
        return [one_by_one(values.reshape(rows, columns).astype(np.float32))]

    @staticmethod
    def _product(path: Path) -> tuple[float, float | None]:
        """Return scale and minutes of the interval; 1 and None, if the name is none of DWD's."""
        product = re.match(r"(RW|YW)[_-]", path.name.upper())
        return DWD_ASCII[product[1]] if product else (1.0, None)


DWD_ASCII = {"RW": (0.1, 60.0), "YW": (0.01, 5.0)}


def _ascii_head(content: bytes) -> dict[str, float]:
    head: dict[str, float] = {}
    for line in content[:1000].splitlines():
        words = line.split()
        if len(words) != 2 or not words[0][:1].isalpha():
            break
        head[words[0].decode().lower()] = float(words[1])
    if not {"nrows", "ncols", "cellsize"} <= head.keys():
        raise ValueError("no ncols, nrows and cellsize at its start")
    if not 0 < head["nrows"] * head["ncols"] < 1e9:
        raise ValueError(f"{head['nrows']:g} rows of {head['ncols']:g}")
    return head
