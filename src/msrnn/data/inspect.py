"""Summary of files, in a few lines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from msrnn.data.archive import Archive, open_archive, step_between
from msrnn.data.field import MINUTE_NS, channel_names, grid_spacing
from msrnn.data.splits import cut_windows
from msrnn.data.statistics import FrameStatistics
from msrnn.errors import DataError, Spell
from msrnn.settings import ReaderSettings
from msrnn.units import Units


@dataclass
class Inspection:
    """Facts and errors that were found in files."""

    facts: dict[str, str]
    errors: dict[str, tuple[int, DataError]]
    """Kind of error to how often, and the first."""

    def table(self, spell: Spell = str) -> str:
        """Return a line for each."""
        width = max(map(len, self.facts))
        lines = [f"{name:<{width}}  {value}" for name, value in self.facts.items()]
        for kind, (count, first) in self.errors.items():
            lines += ["", f"{kind}, {count} time{'s' if count > 1 else ''}; the first:", f"  {first.text(spell)}"]
        return "\n".join(lines) + "\n"


def inspect(
    where: Sequence[str], settings: ReaderSettings | None = None, context: int = 10, horizon: int = 10
) -> Inspection:
    """Read every frame once, and go on after errors.

    Args:
        where: files, folders or patterns.
        settings: how to read them.
        context, horizon: frames that are given and predicted, for the number of windows.

    Raises:
        SettingsError: nothing can be read.
    """
    archive = open_archive(where, replace(settings or ReaderSettings(), skip_bad=True))
    archive.scan()
    errors = {
        kind: (count, next(error for error in archive.skipped if error.kind == kind))
        for kind, count in Counter(error.kind for error in archive.skipped).items()
    }
    return Inspection(_facts(archive, context, horizon), errors)


def _facts(archive: Archive, context: int, horizon: int) -> dict[str, str]:
    first, times = archive.sequences[0], [one.astype(np.int64) for one in archive.times]
    channel, height, width = archive.shape
    count, frames = len(archive.sequences), sum(map(len, times))
    step = step_between(times)
    facts = {
        "reader": archive.reader,
        "sequences": str(count),
        "frames": f"{frames} of {height} x {width}, {channel} channel{'s' if channel > 1 else ''}",
    }
    if channel_names(first):
        facts["channels"] = ", ".join(channel_names(first) or ())
    if archive.timed:
        moments = np.concatenate(archive.times)
        facts["time"] = f"{_minute(moments.min())} to {_minute(moments.max())}"
        facts["time step"] = f"{step / MINUTE_NS:g} minutes" if step else "-"
        facts["gaps"] = _gaps(archive.times, step)
    else:
        facts["time"] = "not in the files: frames are numbered"
    units = Units.from_attrs(first.attrs)
    facts["units"] = str(units) + (f" (integers scaled by {archive.largest})" if archive.largest != 1 else "")
    spacing = grid_spacing(first)
    if spacing:
        said = str(first["y"].attrs.get("units", "")).replace("km", "m")
        facts["grid spacing"] = f"{abs(spacing[0]):g} x {abs(spacing[1]):g} {said}".strip()
    statistics = archive.scan()
    readable = FrameStatistics.join([known[known.readable] for known in statistics])
    valid = readable.valid
    if readable.usable.any():
        facts["range"] = f"{readable.smallest.min():g} to {readable.largest.max():g}"
    if len(readable):
        facts["missing"] = (
            f"{1 - valid.mean():.1%} (least in a frame {1 - valid.max():.1%}, most {1 - valid.min():.1%})"
        )
    if units.is_rain and len(readable):
        wet = np.average(readable.wet, weights=valid) if valid.any() else 0
        facts["wet"] = f"{wet:.1%} of what is known, at 0.1 mm/h or more"
    windows = sum(
        len(cut_windows(one, known.usable, context + horizon, step or 1, 1))
        for one, known in zip(times, statistics, strict=True)
    )
    facts["windows"] = f"{windows} of {context} + {horizon} frames, without a gap"
    return facts


def _minute(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, "m")).replace("T", " ")


def _gaps(times: Sequence[np.ndarray], step: int) -> str:
    gaps = [
        (after - before, before)
        for one in times
        for before, after in pairwise(one)
        if int((after - before).astype(np.int64)) != step
    ]
    if not gaps:
        return "none"
    longest, since = max(gaps, key=lambda gap: gap[0])
    return f"{len(gaps)}, the longest {longest / np.timedelta64(1, 'm'):g} minutes after {_minute(since)}"
