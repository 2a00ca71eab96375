"""A nowcast for the Netherlands: train on five hours of radar, predict the sixth for the whole grid.

    python benchmarks/knmi.py FOLDER [--out DIRECTORY] [options of msrnn train]

FOLDER holds KNMI's five-minute accumulations of 2010-08-26 (RAD_NL25_RAP_5min_*.h5, of pysteps-data). The first 60
files train `ms-convlstm` on crops; from the last of these the next hour is predicted, written as NetCDF, opened with
plain xarray, and compared with what was measured.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import h5py
import numpy as np
import torch
import xarray as xr

from msrnn.tables import Column, Table

THRESHOLD_MM_H = 0.5
SETTINGS = (
    "--model ms-convlstm --model.hidden-channels 16 --data.crop 128 --context 4 --horizon 6 --batch-size 4 --epochs 2 "
    "--data.epoch-samples 240 --data.shares 0.75 0.25 0 --learning-rate 3e-3 --schedule cosine --warmup 0.05 "
    "--loss balanced"
)


def command(*arguments: object) -> float:
    """Run a command; its seconds."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "from msrnn.cli import main; main()", *map(str, arguments)], check=True)
    return time.monotonic() - began


def measured(path: Path) -> np.ndarray:
    """Rain in mm/h of a KNMI file, read without msrnn: 0.01 mm in five minutes, 65535 is missing."""
    with h5py.File(path) as file:
        stored = file["image1/image_data"][()]
    return np.where(stored == 65535, np.nan, stored * 0.01 * 12)


def csi(forecast: np.ndarray, truth: np.ndarray) -> float:
    """Of rain at or above the threshold, where both are known."""
    known = ~(np.isnan(forecast) | np.isnan(truth))
    said, was = (forecast >= THRESHOLD_MM_H) & known, (truth >= THRESHOLD_MM_H) & known
    return float((said & was).sum() / (said | was).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/knmi"))
    parser.add_argument("--files", type=int, default=60, help="the first ones, which are trained on")
    parser.add_argument("--lead-times", type=int, default=12, help="frames that are predicted")
    arguments, options = parser.parse_known_args()
    trained, horizon = arguments.files, arguments.lead_times
    files = sorted(arguments.folder.glob("*.h5"))
    given, future = files[:trained], files[trained : trained + horizon]
    store, output = arguments.out.with_suffix(".zarr"), arguments.out.with_suffix(".nc")
    if not store.exists():
        command("data", "convert", *given, "--to", store)
    training = command("train", "--data", store, "--out", arguments.out, *SETTINGS.split(), *options)
    forecasting = command(
        "predict", arguments.out, "--input", *given, "--horizon", horizon, "--output", output, "--overwrite"
    )
    forecast = xr.open_dataset(output)["rain_amount"].isel(channel=0)
    rates = forecast.values * 60 / forecast.attrs["interval_minutes"]
    last = measured(given[-1])
    rows = [(csi(rate, truth), csi(last, truth)) for rate, truth in zip(rates, map(measured, future), strict=True)]
    print(
        f"MS-ConvLSTM on KNMI radar, {date.today()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"torch {torch.__version__}\n"
    )
    print(f"trained in {training:.0f} s, forecast of {' x '.join(map(str, rates.shape))} in {forecasting:.0f} s\n")
    columns: list[Column | str] = [
        "lead, minutes",
        *(Column(name, form=".3f") for name in (f"CSI({THRESHOLD_MM_H} mm/h)", "persistence")),
    ]
    leads = (f"{lead:.0f}" for lead in forecast["lead_time"].values)
    cells = [(lead, *scores) for lead, scores in zip(leads, rows, strict=True)]
    print(Table("", columns, [*cells, ("mean", *np.mean(rows, axis=0))]).markdown(), end="")


if __name__ == "__main__":
    main()
