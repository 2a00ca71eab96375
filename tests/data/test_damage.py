"""Ten thousand damaged files: each is read, or refused with our own error."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers import formats

pytestmark = pytest.mark.slow
FILES = 10_000


def _npz(path: Path, values: np.ndarray) -> None:
    np.savez_compressed(path, rain=values)


def _timed_hdf5(path: Path, values: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("rain", data=values, chunks=(2, 8, 10), compression="gzip")
        file["rain"].attrs["units"] = "mm/h"
        file["time"] = np.array([f"{time:%Y%m%d%H%M}" for time in formats.times(len(values))], "S12")


def _taxibj(path: Path, values: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["data"] = np.random.default_rng(0).integers(0, 500, (48, 2, 32, 32)).astype(np.float32)
        file["date"] = np.array([f"20150101{slot:02d}" for slot in range(1, 49)], "S10")


def _image(path: Path, values: np.ndarray) -> None:
    formats.write_images(path.parent, (values[:1] * 100).astype(np.uint8), path.name)


def _radolan(path: Path, values: np.ndarray) -> None:
    formats.write_radolan(path, np.resize(values[0], (900, 900)))


MAKE: dict[tuple[str, str], Callable[[Path, np.ndarray], object]] = {
    ("array", "a.npy"): np.save,
    ("array", "a.npz"): _npz,
    ("hdf5", "a.h5"): _timed_hdf5,
    ("knmi", "knmi"): lambda path, values: formats.write_knmi(path.parent, values[:1]),
    ("odim", "odim.h5"): lambda path, values: formats.write_odim(path, (values[0] * 100).astype(np.uint8)),
    ("taxibj", "BJ15_M32x32_T30_InOut.h5"): _taxibj,
    ("netcdf", "a.nc"): lambda path, values: formats.dataset(values).to_netcdf(path, engine="h5netcdf"),
    ("netcdf", "classic.nc"): lambda path, values: formats.dataset(values).to_netcdf(path, engine="scipy"),
    ("zarr", "a.zarr"): lambda path, values: formats.dataset(values).to_zarr(path, consolidated=False),
    ("images", "a.png"): _image,
    ("images", "a.gif"): _image,
    ("images", "a.tif"): _image,
    ("images", "a.pgm.gz"): lambda path, values: formats.write_pgm(path, (values[0] * 100).astype(np.uint8)),
    ("video", "a.avi"): lambda path, values: formats.write_video(
        path, (np.resize(values, (6, 16, 16)) * 100).astype(np.uint8)
    ),
    ("video", "a.mp4"): lambda path, values: formats.write_video(
        path, (np.resize(values, (6, 16, 16)) * 100).astype(np.uint8), "mpeg4", "yuv420p"
    ),
    ("radolan", "raa01-ry_10000-2005011200-dwd---bin"): _radolan,
    ("esri-ascii", "a.asc"): lambda path, values: formats.write_ascii(path, values[0]),
}


@pytest.mark.parametrize(("reader", "file_name"), MAKE)
def test_damaged_files_are_read_or_refused(tmp_path: Path, reader: str, file_name: str) -> None:
    with np.errstate(invalid="ignore"):
        MAKE[reader, file_name](tmp_path / file_name, formats.rain())
    (file,) = tmp_path.iterdir()
    count = -(-FILES // len(MAKE))
    command = [
        sys.executable,
        str(Path(__file__).parents[1] / "helpers" / "damage.py"),
        str(file),
        reader,
        "0",
        str(count),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    lines = [line for line in done.stdout.splitlines() if line[:1].isdigit()]
    became = Counter(line.partition(" ")[2] for line in lines)
    unexpected = {text: times for text, times in became.items() if text not in ("read", "refused")}
    assert not unexpected, "\n".join(f"{times} x {text}" for text, times in unexpected.items())
    assert done.returncode == 0, (done.returncode, lines[-1:], done.stderr[-2000:])
    assert became.total() == count
    assert became["refused"] > 0
    print(f"{reader} {file_name}: {dict(became)}")
