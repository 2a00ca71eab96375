"""Files with the last frames in, a file with the forecast out."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from tqdm import tqdm

from msrnn.atomic import written
from msrnn.data.archive import Archive, find_files, open_archive
from msrnn.data.field import Field
from msrnn.data.readers import READERS, recognise
from msrnn.data.readers.arrays import load_array
from msrnn.data.write import save_sequences
from msrnn.errors import Setting, SettingsError
from msrnn.plots import animate, plot_frames, save_figure
from msrnn.runs.predictor import Predictor, load
from msrnn.settings import NAMED_FILES, DataSettings, ReaderSettings
from msrnn.units import Units

SUFFIXES = (".nc", ".zarr", ".npy", ".png", ".gif", ".mp4")
SHOWN = 6
"""So many sequences are shown in an animation or a picture."""


def _open(files: Sequence[str], settings: ReaderSettings, data: DataSettings, field: Field) -> Archive:
    """Open files to forecast from, as the training's files were read, whose settings and frames these are.

    Raises:
        SettingsError: a file is missing or cannot be used.
    """
    if settings.reader is None:
        settings = replace(settings, reader=data.reader or _reader_of(data.name, files))
    if not settings.reader_options and settings.reader == data.reader:
        settings = replace(settings, reader_options=data.reader_options)
    like = replace(data.reader_settings, reader=field.reader)
    with _named(Setting("input")):
        return open_archive(files, settings, like=like)


def _reader_of(name: str, files: Sequence[str]) -> str | None:
    """TaxiBJ and RY have readers of their own for HDF5."""
    if name not in NAMED_FILES or name not in READERS:
        return None
    first = next(iter(find_files(files[:1])), None)
    return name if first is not None and recognise(first) == "hdf5" else None


def predict_files(
    run: str,
    files: Sequence[str],
    output: Path,
    settings: ReaderSettings,
    context: int | None = None,
    horizon: int | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> str:
    """Forecast from the last frames of files, and write the forecast.

    Args:
        run: a run directory.
        files: files, folders or patterns; the last frames of each sequence are the context.
        output: the file to write; its suffix decides on the format, see `SUFFIXES`.
        settings: how the files are read; by default as the training's were.
        context: frames that are given; by default as in training.
        horizon: frames that are predicted; by default as in training.
        device: where to compute.
        overwrite: replace `output` if it exists.

    Returns:
        A line that says what was done.

    Raises:
        SettingsError: a file is missing, damaged or not possible; nothing is written then.
    """
    if output.suffix not in SUFFIXES:
        raise SettingsError(Setting("output", output), f": a forecast is written as {' or '.join(SUFFIXES)}")
    if output.exists() and any(Path(file).exists() and output.samefile(file) for file in files):
        raise SettingsError(Setting("output", output), " is the input: choose another name")
    if output.exists() and not overwrite:
        raise SettingsError(
            Setting("output", output), " exists: choose another name, or add ", Setting("overwrite", True)
        )
    for name, value in (("horizon", horizon), ("context", context)):
        if value is not None and value < 1:
            raise SettingsError(Setting(name, value), ": at least 1 frame")
    predictor = load(run, device)
    archive = _open(files, settings, predictor.settings.data, predictor.field)
    wanted = predictor.settings.context if context is None else context
    given = [_last(archive, number, wanted) for number in range(len(archive.sequences))]
    with _named(Setting("input", files[0])):
        forecasts = [predictor.predict(one, horizon) for one in _progress(given)]
    try:
        _write(output, predictor, archive, given, forecasts)
    except OSError as error:
        raise SettingsError(Setting("output", output), f" cannot be written ({error.strerror})") from error
    return _line(output, archive, given, forecasts)


def _last(archive: Archive, number: int, wanted: int) -> xr.DataArray:
    """The last frames of a sequence; with `skip_bad`, of those that can be read."""
    sequence, path = archive.sequences[number], archive.sources[number].path(0)
    if archive.skip_bad:
        read = np.flatnonzero(archive.scan()[number].readable)
        sequence = sequence[: read[-1] + 1 if len(read) else 0]
        whole = len(sequence) - next((place for place in range(len(sequence) - 1, -1, -1) if place not in read), -1) - 1
        if whole < min(wanted, len(sequence)):
            raise SettingsError(
                *(Setting("input", path), f": of the last {wanted} frames the last {whole} can be read: use "),
                Setting("context", whole),
            )
    if len(sequence) < wanted:
        count = f": {len(sequence)} frames, the context is {wanted}: "
        fewer = ("give more, or use fewer with ", Setting("context", len(sequence)))
        raise SettingsError(Setting("input", path), count, *(fewer if len(sequence) else ("give others",)))
    return sequence[-wanted:]


def _progress(given: list[xr.DataArray]) -> Iterable[xr.DataArray]:
    return tqdm(given, desc="forecasting", unit="sequence", disable=None, delay=2, leave=False)


def _write(
    output: Path,
    predictor: Predictor,
    archive: Archive,
    given: list[xr.DataArray],
    forecasts: list[xr.DataArray],
) -> None:
    if output.suffix in (".nc", ".zarr"):
        save_sequences(output, forecasts)
    elif output.suffix == ".npy":
        with written(output) as partial:
            np.save(partial, _as_array(archive, forecasts))
    else:
        field, both = predictor.field, []
        for context, forecast in zip(given[:SHOWN], forecasts, strict=False):
            size = (forecast.sizes["y"], forecast.sizes["x"])
            seen = [
                field.of_values(torch.from_numpy(one.values), Units.from_attrs(one.attrs), size)
                for one in (context, forecast)
            ]
            frames = torch.cat(seen)
            missing = frames.isnan()
            shown = (
                field.rates(frames) if field.is_rain else field.to_network(frames)[0].masked_fill(missing, torch.nan)
            )
            both.append(shown[:, 0].numpy())
        if output.suffix == ".png":
            labels = [f"sequence {number}" for number in range(1, len(both) + 1)] if len(both) > 1 else ["forecast"]
            save_figure(plot_frames(dict(zip(labels, both, strict=True)), len(given[0]), field.is_rain), output)
        else:
            animate(output, {"forecast": np.stack(both)}, context=len(given[0]), rain=field.is_rain)


def _as_array(archive: Archive, forecasts: list[xr.DataArray]) -> np.ndarray:
    """The forecasts with the axes and type of the input, if that is an array; else (time, channel, y, x)."""
    values = np.stack([forecast.values for forecast in forecasts])
    paths = {source.path(0) for source in archive.sources}
    if archive.reader != "array" or len(paths) > 1:
        return values if len(values) > 1 else values[0]
    stored = load_array(paths.pop(), str(dict(vars(archive.sources[0].reader)).get("array", "")))
    if archive.largest != 1:
        values = (values * archive.largest).round()
    shape = (values.shape[1], *stored.shape[1:-2]) if stored.ndim < 5 else values.shape[:3]
    return values.reshape(*shape, *values.shape[-2:]).astype(stored.dtype if stored.dtype.kind in "fu" else np.float32)


def _line(output: Path, archive: Archive, given: list[xr.DataArray], forecasts: list[xr.DataArray]) -> str:
    first, forecast = given[0], forecasts[0]
    frames = f"{len(forecast)} frames of {forecast.sizes['y']} x {forecast.sizes['x']}"
    sequences = f" for each of {len(forecasts)} sequences" if len(forecasts) > 1 else ""
    until = f" until {np.datetime_as_string(first['time'].values[-1], 'm')}" if archive.timed else ""
    scaled = f"; integers scaled by {archive.largest}" if archive.largest != 1 else ""
    skipped = f"; skipped {len(archive.skipped)}: {archive.skipped[0].cause}" if archive.skipped else ""
    return f"{output}: {frames}{sequences}, after {len(first)} given{until}{scaled}{skipped}"


@contextmanager
def _named(setting: Setting) -> Iterator[None]:
    """Say which setting an error is about."""
    try:
        yield
    except SettingsError as error:
        raise SettingsError(setting, ": ", *error.parts) from error
    except ValueError as error:
        raise SettingsError(setting, f": {error}") from error
