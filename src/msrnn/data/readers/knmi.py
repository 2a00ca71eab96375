"""KNMI's HDF5 image files."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np

from msrnn.data.readers.base import Header, Reader, Sliced, evenly, one_by_one, reading
from msrnn.data.readers.hdf5 import number, text
from msrnn.data.readers.timestamps import nanoseconds
from msrnn.units import Units


@dataclass(frozen=True)
class KNMIReader(Reader):
    """KNMI's HDF5 image files: rain accumulations in mm, or reflectivity in dBZ, of the end of their interval."""

    name: ClassVar[str] = "knmi"

    @classmethod
    def recognises(cls, file: h5py.File) -> bool:
        """Say whether an HDF5 file is of this format."""
        return "image1/image_data" in file and "overview" in file

    def headers(self, path: Path) -> list[Header]:
        with reading(path, "KNMI HDF5"), h5py.File(path) as file:
            overview, geography = file["overview"].attrs, file["geographic"].attrs
            start, end = (knmi_time(text(overview[f"product_datetime_{which}"])) for which in ("start", "end"))
            height, width = file["image1/image_data"].shape
            is_rain = "MM" in text(file["image1"].attrs["image_geo_parameter"]).upper()
            minutes = float((end - start) / np.timedelta64(1, "m"))
            projection = text(file["geographic/map_projection"].attrs["projection_proj4_params"])
            step_y, step_x = (number(geography[f"geo_pixel_size_{axis}"]) for axis in "yx")
            row, column = (number(geography[f"geo_{axis}_offset"]) for axis in ("row", "column"))
            coords = {
                "y": evenly((row + 0.5) * step_y, step_y, height, "y", "km"),
                "x": evenly((column + 0.5) * step_x, step_x, width, "x", "km"),
            }
        return [
            Header(
                (1, 1, height, width),
                nanoseconds([end]),
                Units("mm", minutes) if is_rain else Units("dBZ"),
                coords=coords,
                attrs={"projection": projection, "institution": "KNMI"},
            )
        ]

    def frames(self, path: Path) -> list[Sliced]:
        with h5py.File(path) as file:
            stored = file["image1/image_data"][()]
            calibration = file["image1/calibration"].attrs
            formula = text(calibration["calibration_formulas"]).replace(" ", "")  # GEO=0.01*PV+0.0
            scale, offset = formula.removeprefix("GEO=").split("*PV")
            missing = [number(calibration[f"calibration_{name}"]) for name in ("missing_data", "out_of_image")]
        values = stored * float(scale) + float(offset or 0)
        return [one_by_one(np.where(np.isin(stored, missing), np.nan, values).astype(np.float32))]


def knmi_time(stamp: str) -> np.datetime64:
    """Read a time such as 26-AUG-2010;00:00:00.000."""
    return np.datetime64(datetime.strptime(stamp.title(), "%d-%b-%Y;%H:%M:%S.%f"))
