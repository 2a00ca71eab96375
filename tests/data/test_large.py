"""An archive larger than memory."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

CODE = """
import resource, sys, threading, time
limit = 1_500_000_000
peak = [0]
def watch():
    while True:
        with open("/proc/self/statm") as file:
            peak[0] = max(peak[0], int(file.read().split()[1]) * resource.getpagesize())
        time.sleep(0.05)
threading.Thread(target=watch, daemon=True).start()
from msrnn.cli import main
main(sys.argv[1:])
print("peak", peak[0])
assert peak[0] < limit, f"{peak[0]} bytes resident"
"""


@pytest.mark.slow
def test_an_archive_larger_than_memory_trains(tmp_path: Path) -> None:
    """4 GB of frames under a cap of 1.5 GB of resident memory."""
    frames, height, width = 4000, 500, 500
    assert frames * height * width * 4 == 4_000_000_000
    group = zarr.open_group(tmp_path / "rain.zarr", mode="w")
    array = group.create_array(
        "rain",
        shape=(frames, height, width),
        chunks=(8, height, width),
        dtype="float32",
        dimension_names=("time", "y", "x"),
        attributes={"units": "mm/h"},
    )
    times = group.create_array("time", shape=(frames,), dtype="int64", dimension_names=("time",))
    times.attrs["units"] = "minutes since 2020-01-01"
    times[:] = 5 * np.arange(frames)
    for start in range(0, frames, 200):
        block = np.zeros((200, height, width), np.float32)
        block[:, 100:300, 100:300] = 1 + start / 1000
        array[start : start + 200] = block
    arguments = ["train", "--model=ms-convlstm", "--model.hidden-channels=4", f"--data={tmp_path / 'rain.zarr'}"]
    arguments += ["--data.crop=64", "--context=4", "--horizon=4", "--epochs=1", "--data.epoch-samples=40"]
    arguments += ["--data.validation-samples=8", f"--out={tmp_path / 'run'}", "--device=cpu"]
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    assert int(done.stdout.split("peak")[1]) > resource.getpagesize()
