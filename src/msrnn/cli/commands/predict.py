"""The command `msrnn predict`."""

import sys
from pathlib import Path
from typing import Annotated, Any

from msrnn.cli.messages import say
from msrnn.cli.parsing import Options
from msrnn.settings import Device, Precision, ReaderSettings, read_settings

AS_TRAINED = "as in training for files of the same format, else what the files say"


def predict(
    run: str,
    /,
    *,
    input: list[str],
    output: str,
    files: Annotated[dict[str, Any], Options(ReaderSettings, "data.", default=AS_TRAINED, without=("skip_bad",))],
    context: int | None = None,
    horizon: int | None = None,
    device: Device = "auto",
    precision: Precision = "32",
    keep_memory: bool = False,
    overwrite: bool = False,
    skip_bad: bool = False,
) -> None:
    """Forecast from files of your own.

    Args:
        run: A run directory that `msrnn train` made.
        input: What to forecast from: files, folders, or patterns in quotes; their last frames are the context.
        output: The forecast: .nc or .zarr (with coordinates, times and units), .npy; with the context .gif, .mp4, .png.
        context: How many of the last frames to use. Default: as in training.
        horizon: Frames to predict. Default: as in training.
        device: Where to compute.
        precision: Of the forecast: 32, 64, or bf16 (faster where the device has it).
        keep_memory: Keep the memory of freed tensors for the next ones: faster for large frames on a CPU (Linux), for
            more memory.
        overwrite: Replace the output if it exists.
        skip_bad: Leave out files that cannot be used, and list them.
    """
    from msrnn.device import keep_freed_memory
    from msrnn.runs.from_files import predict_files

    if keep_memory and not keep_freed_memory():
        say("--keep-memory changes nothing here: it needs the GNU C library")
    settings = read_settings(ReaderSettings, files | {"skip_bad": skip_bad}, "data.")
    line = predict_files(run, input, Path(output), settings, context, horizon, device, precision, overwrite)
    sys.stderr.write(f"{line}\n")
