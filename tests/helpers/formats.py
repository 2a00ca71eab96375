"""Small files in the formats that readers read, with the values that are in them."""

import gzip
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import xarray as xr
from av.video.stream import VideoStream
from PIL import Image

BEGIN = datetime(2020, 5, 1, 12)


def times(count: int, minutes: int = 5) -> list[datetime]:
    return [BEGIN + timedelta(minutes=minutes * k) for k in range(count)]


def rain(count: int = 6, height: int = 8, width: int = 10, seed: int = 0) -> np.ndarray:
    """(time, y, x) in whole hundredths of a millimetre; a corner is missing."""
    values = np.random.default_rng(seed).integers(0, 200, (count, height, width)).astype(np.float64) / 100
    values[:, 0, :2] = np.nan
    return values


def write_knmi(folder: Path, values: np.ndarray, begin: int = 0) -> None:
    for k, time in enumerate(times(begin + len(values))[begin:]):
        with h5py.File(folder / f"RAD_NL25_RAP_5min_{time:%Y%m%d%H%M}.h5", "w") as file:
            stored = np.where(np.isnan(values[k]), 65535, np.nan_to_num(np.round(values[k] * 100)))
            file["image1/image_data"] = stored.astype(np.uint16)
            file["image1"].attrs["image_geo_parameter"] = np.bytes_("ACCUMULATED_PRECIPITATION_[MM]")
            calibration = file.create_group("image1/calibration").attrs
            calibration["calibration_formulas"] = np.bytes_("GEO=0.01*PV+0.0")
            calibration["calibration_missing_data"] = np.array([65535])
            calibration["calibration_out_of_image"] = np.array([65535])
            overview = file.create_group("overview").attrs
            for which, when in (("start", time - timedelta(minutes=5)), ("end", time)):
                overview[f"product_datetime_{which}"] = np.bytes_(f"{when:%d-%b-%Y;%H:%M:%S.000}".upper())
            geography = file.create_group("geographic").attrs
            for name, value in (
                ("pixel_size_x", 1.0),
                ("pixel_size_y", -1.0),
                ("row_offset", 3650),
                ("column_offset", 0),
            ):
                geography[f"geo_{name}"] = np.array([value], np.float32)
            projection = file.create_group("geographic/map_projection").attrs
            projection["projection_proj4_params"] = np.bytes_("+proj=stere +lat_0=90")


def write_odim(
    path: Path,
    stored: np.ndarray,
    quantity: str = "DBZH",
    gain: float = 0.5,
    offset: float = -32.0,
    time: datetime = BEGIN,
) -> None:
    """`stored`: uint8; 255 is no data, 0 is nothing detected."""
    with h5py.File(path, "w") as file:
        file.create_group("what").attrs.update({"object": np.bytes_("COMP"), "date": np.bytes_(f"{time:%Y%m%d}")})
        file["what"].attrs["time"] = np.bytes_(f"{time:%H%M%S}")
        where = file.create_group("where").attrs
        where["projdef"], where["xscale"], where["yscale"] = np.bytes_("+proj=laea"), 2000.0, 2000.0
        where["LL_lon"], where["LL_lat"] = 5.0, 50.0
        what = file.create_group("dataset1/what").attrs
        begin = time - timedelta(minutes=15)
        for which, when in (("start", begin), ("end", time)):
            what[f"{which}date"], what[f"{which}time"] = np.bytes_(f"{when:%Y%m%d}"), np.bytes_(f"{when:%H%M%S}")
        file["dataset1/data1/data"] = stored
        inner = file.create_group("dataset1/data1/what").attrs
        inner["quantity"] = np.bytes_(quantity)
        inner["gain"], inner["offset"], inner["nodata"], inner["undetect"] = gain, offset, 255.0, 0.0


def write_radolan(
    path: Path, values: np.ndarray, product: str = "RY", time: datetime = BEGIN, packed: bool = True
) -> None:
    """RADOLAN of 900 x 900 in 1/100 mm; the file's first row is the southernmost."""
    counts = np.where(np.isnan(values), 2500, np.nan_to_num(np.round(values * 100))).astype(np.uint16)
    counts |= np.where(np.isnan(values), 0x2000, 0).astype(np.uint16)
    header = (
        f"{product}{time:%d%H%M}10000{time:%m%y}BY{900 * 900 * 2 + 80:07d}VS 3SW   2.13.1PR E-02INT   5GP 900x 900"
        "MS 20<boo,ros,emd,hnr>"
    )
    length = len(header) + 1
    header = header.replace(f"{900 * 900 * 2 + 80:07d}", f"{900 * 900 * 2 + length:07d}")
    content = header.encode() + b"\x03" + counts[::-1].astype("<u2").tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)


def write_ascii(path: Path, values: np.ndarray) -> None:
    rows, columns = values.shape
    numbers = np.where(np.isnan(values), -1, np.nan_to_num(values))
    lines = [" ".join(f"{number:g}" for number in row) for row in numbers]
    head = f"ncols {columns}\nnrows {rows}\nxllcorner 100\nyllcorner 200\ncellsize 1000\nNODATA_value -1\n"
    path.write_text(head + "\n".join(lines) + "\n")


def dataset(values: np.ndarray, units: str = "mm/h", name: str = "rain", **attrs: object) -> xr.Dataset:
    count, height, width = values.shape
    coords: dict[str, Any] = {
        "time": np.array(times(count), "datetime64[ns]"),
        "y": 1000.0 * np.arange(height)[::-1],
        "x": 1000.0 * np.arange(width),
        "crs": ((), 0, {"proj4": "+proj=stere"}),
    }
    array = xr.DataArray(values.astype(np.float32), {"crs": coords.pop("crs"), **coords}, ("time", "y", "x"))
    return array.assign_attrs(units=units, **attrs).to_dataset(name=name)


def write_images(folder: Path, pixels: Iterable[np.ndarray], name: str = "frame{:d}.png") -> None:
    for k, frame in enumerate(pixels):
        Image.fromarray(frame).save(folder / name.format(k))


def write_pgm(path: Path, pixels: np.ndarray) -> None:
    """As some weather services do: comments in the header; gzipped."""
    height, width = pixels.shape
    head = f"P5\n# made 202005011200\n# projection radar {{\n# type stereographic\n# }}\n{width} {height}\n255\n"
    path.write_bytes(gzip.compress(head.encode() + pixels.tobytes()))


def write_video(path: Path, pixels: np.ndarray, codec: str = "rawvideo", pixel_format: str = "gray") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = pixels.shape[1:]
        stream.pix_fmt = pixel_format
        for frame in pixels:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
