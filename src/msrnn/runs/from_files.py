"""Files with the last frames in, a file with the forecast out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from tqdm import tqdm

from msrnn.data.archive import Archive, find_files, open_archive
from msrnn.data.field import Field
from msrnn.data.lazy import Stream
from msrnn.data.readers import READERS, recognise
from msrnn.errors import Setting, SettingsError
from msrnn.runs.formats import FORMATS, Forecasts
from msrnn.runs.predictor import load
from msrnn.settings import DATA_SETS, DataSettings, Precision, ReaderSettings


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
    """Return the reader that TaxiBJ and RY have for their HDF5."""
    if name not in DATA_SETS or name not in READERS:
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
    precision: Precision = "32",
    overwrite: bool = False,
) -> str:
    """Forecast from the last frames of files, and write the forecast.

    Args:
        run: a run directory.
        files: files, folders or patterns; the last frames of each sequence are the context.
        output: the file to write; its suffix decides on the format, see `msrnn.runs.formats.FORMATS`.
        settings: how the files are read; by default as the training's were.
        context: frames that are given; by default as in training.
        horizon: frames that are predicted; by default as in training.
        device: where to compute.
        precision: of the forecast: "32", "64" or "bf16".
        overwrite: replace `output` if it exists.

    Returns:
        A line that says what was done.

    Raises:
        SettingsError: a file is missing, damaged or not possible; nothing is written then.
    """
    if output.suffix not in FORMATS:
        raise SettingsError(Setting("output", output), f": a forecast is written as {' or '.join(FORMATS)}")
    if output.exists() and any(Path(file).exists() and output.samefile(file) for file in files):
        raise SettingsError(Setting("output", output), " is the input: choose another name")
    if output.exists() and not overwrite:
        raise SettingsError(
            Setting("output", output), " exists: choose another name, or add ", Setting("overwrite", True)
        )
    for name, value in (("horizon", horizon), ("context", context)):
        if value is not None and value < 1:
            raise SettingsError(Setting(name, value), ": at least 1 frame")
    predictor = load(run, device, precision)
    archive = _open(files, settings, predictor.settings.data, predictor.field)
    wanted = predictor.settings.context if context is None else context
    given = [_last(archive, number, wanted) for number in range(len(archive.sequences))]
    with _named(Setting("input", files[0])):
        forecasts = [_watched(predictor.stream(one, horizon)) for one in given]
    try:
        FORMATS[output.suffix](output, Forecasts(predictor.field, archive, given, forecasts))
    except OSError as error:
        raise SettingsError(Setting("output", output), f" cannot be written ({error.strerror})") from error
    return _line(output, archive, given, forecasts)


def _last(archive: Archive, number: int, wanted: int) -> xr.DataArray:
    """Return the last frames of a sequence; with `skip_bad`, of those that can be read."""
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


def _watched(forecast: Stream) -> Stream:
    """Show on a terminal how far a forecast is."""
    total = len(forecast.like)
    bar = tqdm(forecast, "forecasting", total, unit="frame", disable=None, delay=2, leave=False)
    return Stream(forecast.like, bar)


def _line(output: Path, archive: Archive, given: list[xr.DataArray], forecasts: list[Stream]) -> str:
    first, forecast = given[0], forecasts[0].like
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
