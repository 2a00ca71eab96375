"""A file of frames in, a file with the forecast out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from msrnn.data.arrays import load_array
from msrnn.files import written
from msrnn.predictor import largest_value, load
from msrnn.report import animate
from msrnn.settings import SettingsError

SUFFIXES = (".npy", ".gif")


def predict_file(run: str, source: Path, output: Path, horizon: int | None, device: str, overwrite: bool) -> str:
    """Forecast from the frames in `source` and write `output`; answers a line that says what was done.

    Raises:
        SettingsError: a file is missing, damaged or not possible; nothing is written then.
    """
    if output.suffix not in SUFFIXES:
        raise SettingsError(f"--output {output}: a forecast is written as {' or '.join(SUFFIXES)}")
    if output.exists() and source.exists() and output.samefile(source):
        raise SettingsError(f"--output {output} is the input: choose another name")
    if output.exists() and not overwrite:
        raise SettingsError(f"--output {output} exists: choose another name, or add --overwrite")
    if horizon is not None and horizon < 1:
        raise SettingsError(f"--horizon {horizon}: at least 1 frame")
    with _named("--input"):
        frames = load_array(source)
    predictor = load(run, device)
    with _named(f"--input {source}"):
        forecast = predictor.predict(frames, horizon)
    try:
        if output.suffix == ".npy":
            with written(output) as partial:
                np.save(partial, forecast)
        else:
            both = np.concatenate((_sequences(frames), _sequences(forecast)), axis=1) / largest_value(frames.dtype)
            animate(output, {"forecast": both}, context=_sequences(frames).shape[1])
    except OSError as error:
        raise SettingsError(f"--output {output} cannot be written ({error.strerror})") from error
    scaled = f"; {frames.dtype} scaled by {largest_value(frames.dtype)}" if frames.dtype.kind == "u" else ""
    return f"{output}: {forecast.shape} {forecast.dtype} forecast after {source} {frames.shape}{scaled}"


@contextmanager
def _named(option: str) -> Iterator[None]:
    """Say which option an error is about."""
    try:
        yield
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from error


def _sequences(frames: np.ndarray) -> np.ndarray:
    """The first channel of at most six sequences, (sequence, time, y, x)."""
    if frames.ndim == 3:
        return frames[None]
    return (frames if frames.ndim == 5 else frames[None])[:6, :, 0]
