"""What is in files, in a few lines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from msrnn.data.archive import Archive, open_archive, step_between
from msrnn.data.field import MINUTE_NS, channel_names, grid_spacing
from msrnn.data.splits import cut_windows
from msrnn.errors import DataError, Spell
from msrnn.units import RAIN_UNITS


@dataclass
class Inspection:
    """What was found in files."""

    facts: dict[str, str]
    errors: dict[str, tuple[int, DataError]]
    """Kind of error to how often, and the first."""

    def table(self, spell: Spell = str) -> str:
        """A line for each."""
        width = max(map(len, self.facts))
        lines = [f"{name:<{width}}  {value}" for name, value in self.facts.items()]
        for kind, (count, first) in self.errors.items():
            lines += ["", f"{kind}, {count} time{'s' if count > 1 else ''}; the first:", f"  {first.text(spell)}"]
        return "\n".join(lines) + "\n"


def inspect(
    where: Sequence[str],
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
    units: str | None = None,
    interval_minutes: float | None = None,
    context: int = 10,
    horizon: int = 10,
) -> Inspection:
    """Read every frame once, and go on after errors.

    Raises:
        SettingsError: nothing can be read.
    """
    archive = open_archive(where, reader, options, units, interval_minutes, skip_bad=True)
    statistics = np.concatenate(archive.scan())
    errors = {
        kind: (count, next(error for error in archive.skipped if error.kind == kind))
        for kind, count in Counter(error.kind for error in archive.skipped).items()
    }
    return Inspection(_facts(archive, statistics, context, horizon), errors)


def _facts(archive: Archive, statistics: np.ndarray, context: int, horizon: int) -> dict[str, str]:
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
    interval = first.attrs.get("interval_minutes")
    of_interval = first.attrs["units"] + (f" per {interval:g} minutes" if interval else "")
    facts["units"] = of_interval + (f" (integers scaled by {archive.largest})" if archive.largest != 1 else "")
    spacing = grid_spacing(first)
    if spacing:
        said = str(first["y"].attrs.get("units", "")).replace("km", "m")
        facts["grid spacing"] = f"{abs(spacing[0]):g} x {abs(spacing[1]):g} {said}".strip()
    valid, wet, smallest, largest = statistics[~np.isnan(statistics[:, 0])].T
    if (valid > 0).any():
        facts["range"] = f"{smallest.min():g} to {largest.max():g}"
    if valid.size:
        facts["missing"] = (
            f"{1 - valid.mean():.1%} (least in a frame {1 - valid.max():.1%}, most {1 - valid.min():.1%})"
        )
    if first.attrs["units"] in RAIN_UNITS and valid.size:
        facts["wet"] = (
            f"{np.average(wet, weights=valid) if valid.any() else 0:.1%} of what is known, at 0.1 mm/h or more"
        )
    usable = np.split(statistics[:, 0] > 0, np.cumsum([len(one) for one in times])[:-1])
    windows = sum(
        len(cut_windows(one, good, context + horizon, step or 1, 1)) for one, good in zip(times, usable, strict=True)
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
