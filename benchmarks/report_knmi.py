"""A report on rain: two models, persistence and optical-flow extrapolation on KNMI's radar, side by side.

    python benchmarks/report_knmi.py FOLDER [--out DIRECTORY] [options of msrnn train]

FOLDER holds KNMI's five-minute accumulations of 2010-08-26 (RAD_NL25_RAP_5min_*.h5, of pysteps-data); they are resized
to 3 km. Needs the extra `radar`. Leaves DIRECTORY/report.html and prints both models' scores.
"""

import argparse
import os
import platform
from datetime import date
from pathlib import Path

import torch

from msrnn.cli import main as msrnn

SETTINGS = (
    "--model.hidden-channels 16 --data.crop 128 --data.shares 0.5 0.22 0.28 --context 4 --horizon 12 --batch-size 2 "
    "--epochs 4 --learning-rate 3e-3 --schedule cosine --warmup 0.05 --loss balanced"
)
SAMPLES = {"ms-convlstm": 80, "ms-predrnn": 40}
"""Training sequences an epoch: about the same time for both."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--out", type=Path, default=Path("runs/knmi-report"))
    parser.add_argument("--size", nargs=2, default=("255", "233"), help="height and width that frames are resized to")
    arguments, options = parser.parse_known_args()
    store, runs = arguments.out / "knmi.zarr", [arguments.out / name for name in SAMPLES]
    if not store.exists():
        msrnn(["data", "convert", arguments.folder, "--to", str(store), "--size", *arguments.size])
    print(
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}: "
        f"`python benchmarks/report_knmi.py FOLDER`\n"
    )
    for name, run in zip(SAMPLES, runs, strict=True):
        data = ["--data", str(store), "--data.epoch-samples", str(SAMPLES[name])]
        if not run.exists():
            msrnn(["train", "--model", name, *data, *SETTINGS.split(), *options, "--out", str(run)])
        print(f"{name}:\n")
        msrnn(["evaluate", str(run)])
    msrnn(["report", *map(str, runs), "--output", str(arguments.out / "report.html")])


if __name__ == "__main__":
    main()
