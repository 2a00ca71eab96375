"""A file of frames in, a file with the forecast out."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from msrnn.files import written
from msrnn.predictor import load
from msrnn.report import animate
from msrnn.settings import SettingsError

WRITERS = (".npy", ".gif")


def predict_file(run: str, source: Path, output: Path, horizon: int | None, device: str, overwrite: bool) -> str:
    """Forecast from the frames in `source` and write `output`; answers a line that says what was done.

    Raises:
        SettingsError: a file is missing, damaged or not possible; nothing is written then.
    """
    if output.suffix not in WRITERS:
        raise SettingsError(f"--output {output}: a forecast is written as {' or '.join(WRITERS)}")
    if output.exists() and not overwrite:
        raise SettingsError(f"--output {output} exists: choose another name, or add --overwrite")
    if horizon is not None and horizon < 1:
        raise SettingsError(f"--horizon {horizon}: at least 1 frame")
    frames = read_frames(source)
    predictor = load(run, device)
    try:
        forecast = predictor.predict(frames, horizon)
    except ValueError as error:
        raise SettingsError(f"--input {source}: {error}") from error
    try:
        if output.suffix == ".npy":
            with written(output) as partial:
                np.save(partial, forecast)
        else:
            _animate(output, frames, forecast)
    except OSError as error:
        raise SettingsError(f"--output {output} cannot be written ({error.strerror})") from error
    scaled = f"; {frames.dtype} scaled by {np.iinfo(frames.dtype).max}" if frames.dtype.kind in "iu" else ""
    return f"{output}: {forecast.shape} {forecast.dtype} forecast after {source} {frames.shape}{scaled}"


def read_frames(path: Path) -> np.ndarray:
    """The array in a .npy file, or the only one in a .npz.

    Raises:
        SettingsError: there is no such file, or it holds something else.
    """
    if path.is_dir():
        raise SettingsError(f"--input {path} is a folder: expected a .npy or .npz file")
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            if len(loaded.files) != 1:
                raise SettingsError(
                    f"--input {path} holds {len(loaded.files)} arrays ({', '.join(loaded.files)}): expected one"
                )
            only: np.ndarray = loaded[loaded.files[0]]
            return only
    except FileNotFoundError:
        raise SettingsError(f"--input {path}: there is no such file") from None
    except SettingsError:
        raise
    except (OSError, ValueError, EOFError, BadZipFile, KeyError) as error:
        raise SettingsError(f"--input {path} is no .npy or .npz file ({error})") from error


def _animate(output: Path, frames: np.ndarray, forecast: np.ndarray) -> None:
    """Context, then forecast, of the first channel of at most six sequences."""
    largest = np.iinfo(frames.dtype).max if frames.dtype.kind in "iu" else 1
    given, predicted = (_sequences(x) / largest for x in (frames, forecast))
    animate(output, {"forecast": np.concatenate((given, predicted), axis=1)}, context=given.shape[1])


def _sequences(frames: np.ndarray) -> np.ndarray:
    """(sequence, time, y, x)"""
    sequences = frames if frames.ndim == 5 else frames[None]
    return sequences[:6] if frames.ndim == 3 else sequences[:6, :, 0]
