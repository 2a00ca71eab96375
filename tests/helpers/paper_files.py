"""The paper's data sets, small, in their own formats."""

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import h5py
import numpy as np

from helpers import formats


def write_kth(folder: Path, frames: int = 6) -> str:
    """Seven persons, three actions; the left half has the person's number for a value, the right half 100 more."""
    for person in (1, 13, 14, 15, 16, 17, 25):
        for action in ("walking", "running", "boxing"):
            (folder / action).mkdir(exist_ok=True, parents=True)
            pixels = np.full((frames, 120, 160), person, np.uint8)
            pixels[:, :, 80:] += 100
            formats.write_video(folder / action / f"person{person:02d}_{action}_d1_uncomp.avi", pixels)
    (folder / "00sequences.txt").write_text("person01_boxing_d1 frames 1-95")
    return str(folder)


def write_taxibj(folder: Path, days: int, missing: Collection[tuple[int, int]] = ()) -> str:
    """Four files; flows of slot s of day d are floats around 100 d + s; newest first."""
    folder.mkdir(exist_ok=True)
    for year, first in (
        ("BJ13", datetime(2013, 7, 1)),
        ("BJ14", datetime(2014, 3, 1)),
        ("BJ15", datetime(2015, 3, 1)),
        ("BJ16", datetime(2015, 11, 1)),
    ):
        dates, data = [], []
        for day in range(days):
            for slot in range(1, 49):
                if (day, slot) not in missing:
                    dates.append(f"{first + timedelta(days=day):%Y%m%d}{slot:02d}".encode())
                    data.append(np.full((2, 32, 32), 100 * day + slot + 0.5) * np.array([1, 2]).reshape(2, 1, 1))
        with h5py.File(folder / f"{year}_M32x32_T30_InOut.h5", "w") as file:
            file["date"], file["data"] = dates[::-1], np.stack(data[::-1]).astype(np.float32)
    return str(folder)


def write_germany(folder: Path, form: str, frames: int = 6) -> str:
    """A little of the last day of 2014, of two of 2015, and of 2016."""
    folder.mkdir()
    values = np.zeros((frames, 900, 900))
    values[:, :450], values[:, :, 880:] = 0.25, np.nan
    starts = [datetime(2014, 12, 31, 12), datetime(2015, 6, 1), datetime(2015, 6, 2), datetime(2016, 1, 1)]
    for start in starts:
        times = [start + timedelta(minutes=5 * k) for k in range(frames)]
        stored = np.where(np.isnan(values), -1, np.nan_to_num(np.round(values * 100))).astype(np.int16)
        if form == "RYDL":
            with h5py.File(folder / "RYDL.hdf5", "a") as file:
                for k, time in enumerate(times):
                    data = np.where(np.isnan(values[k]), -9.0, values[k]).astype(np.float32)
                    file.create_dataset(f"{time:%Y%m%d%H%M}", data=data, compression="gzip")
        elif form == "yearly":
            with h5py.File(folder / f"RY{start:%Y%m%d}.h5", "w") as file:
                file.create_dataset("rain", data=stored, compression="gzip")
                file["time"] = [int(f"{time:%Y%m%d%H%M}") for time in times]
        else:
            for k, time in enumerate(times):
                formats.write_radolan(folder / f"raa01-ry_10000-{time:%y%m%d%H%M}-dwd---bin", values[k], "RY", time)
    return str(folder)
