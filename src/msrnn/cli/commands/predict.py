"""The command `msrnn predict`."""

import sys
from pathlib import Path
from typing import Annotated, Any

from msrnn.cli.parsing import Options
from msrnn.settings import Device, ReaderSettings, read_settings

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
        overwrite: Replace the output if it exists.
        skip_bad: Leave out files that cannot be used, and list them.
    """
    from msrnn.runs.from_files import predict_files

    settings = read_settings(ReaderSettings, files | {"skip_bad": skip_bad}, "data.")
    sys.stderr.write(predict_files(run, input, Path(output), settings, context, horizon, device, overwrite) + "\n")
