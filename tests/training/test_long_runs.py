"""Memory and open files stay flat, however long it runs."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from helpers.processes import arguments, start

pytestmark = pytest.mark.slow
MIB = 2**20
FORECASTS = """
import os, resource, sys
import numpy as np, torch, msrnn
from msrnn.data.field import Field
from msrnn.runs.predictor import Predictor
from msrnn.settings import DataSettings, ModelSettings, RunSettings
torch.set_num_threads(1)
model = msrnn.create_model("ms-trajgru", hidden_channels=4)
run = RunSettings(ModelSettings("ms-trajgru"), DataSettings(name="moving-mnist"), context=3, horizon=2)
predictor = Predictor(model, run, Field())
frames, state = np.random.default_rng(0).random((3, 16, 16), np.float32), None
for number in range(2000):
    predictor.predict(frames)
    with torch.no_grad():
        _, state = model.step(torch.rand(1, 1, 16, 16), state)
    if number % 20 == 0:
        with open("/proc/self/statm") as file:
            print(int(file.read().split()[1]) * resource.getpagesize(), len(os.listdir("/proc/self/fd")), flush=True)
"""


def assert_flat(resident: list[int], files: list[int]) -> None:
    """No rise from the second quarter to the last."""
    quarter = len(resident) // 4
    before, after = (np.median(part) for part in (resident[quarter : 2 * quarter], resident[-quarter:]))
    assert len(resident) >= 40
    assert after - before < 4 * MIB, [value // MIB for value in resident]
    assert np.median(files[-quarter:]) <= np.median(files[quarter : 2 * quarter]), files  # some are open for a moment


def test_forecasts() -> None:
    done = subprocess.run([sys.executable, "-c", FORECASTS], capture_output=True, text=True, check=True)
    resident, files = zip(*(map(int, line.split()) for line in done.stdout.splitlines()), strict=True)
    assert_flat(list(resident), list(files))


def test_training(tmp_path: Path) -> None:
    """2,200 optimiser steps, with a checkpoint every 200."""
    options = {"epochs": 11, "data.epoch-samples": 800, "workers": 1}
    process = start(arguments(tmp_path / "run", **options))
    resident, files, folder = [], [], Path(f"/proc/{process.pid}")
    while process.poll() is None:
        if (tmp_path / "run" / "metrics.jsonl").exists():
            try:
                resident.append(int((folder / "statm").read_text().split()[1]) * resource.getpagesize())
                files.append(len(list((folder / "fd").iterdir())))
            except (OSError, IndexError):
                break
        time.sleep(0.1)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count("train/loss") == 220
    assert_flat(resident[:-2], files[:-2])
