"""Numbers about frames that decide which sequences are used: what is missing, how much rain, the range of values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from msrnn.errors import SKIP_BAD, DataError, Setting
from msrnn.units import Z_R, Units, to_rate

POSSIBLE = {"mm/h": (-1e-3, 1e4), "mm": (-1e-3, 1e4), "dBZ": (-300.0, 150.0)}
"""Plausible range; values outside are undeclared missing values, or damage."""
WET_MM_H = 0.1
"""A pixel with this rain rate or a higher one is wet."""


@dataclass(frozen=True)
class FrameStatistics:
    """Statistics of frames: arrays (frame,), NaN where a frame cannot be read."""

    valid: np.ndarray
    """Share of pixels that are not missing."""
    wet: np.ndarray
    """Share of the valid pixels that are wet, reflectivity by Z = 256 R^1.42; NaN for units that are not of rain."""
    smallest: np.ndarray
    largest: np.ndarray

    def __len__(self) -> int:
        return len(self.valid)

    def __getitem__(self, frames: Any) -> "FrameStatistics":
        return FrameStatistics(*(column[frames] for column in self.columns))

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """The arrays, in the order of `STATISTICS`."""
        return tuple(getattr(self, name) for name in STATISTICS)

    @property
    def readable(self) -> np.ndarray:
        """(frame,) bool: frames that can be read."""
        readable: np.ndarray = ~np.isnan(self.valid)
        return readable

    @property
    def usable(self) -> np.ndarray:
        """(frame,) bool: frames that can be read and are not missing as a whole."""
        usable: np.ndarray = np.nan_to_num(self.valid) > 0
        return usable

    @classmethod
    def join(cls, parts: Sequence["FrameStatistics"]) -> "FrameStatistics":
        """Put statistics behind one another."""
        return cls(*map(np.concatenate, zip(*(part.columns for part in parts), strict=True)))

    @classmethod
    def of_unreadable(cls) -> "FrameStatistics":
        """Make the statistics of one frame that cannot be read."""
        return cls(*([np.full(1, np.nan)] * len(STATISTICS)))

    @classmethod
    def of_frame(cls, frame: np.ndarray, units: Units, path: object) -> "FrameStatistics":
        """Compute the statistics of one frame (channel, y, x).

        Args:
            path: the frame's file, for messages.

        Raises:
            DataError: it holds an infinite number, or one that is implausible in these units.
        """
        values = frame[~np.isnan(frame)]
        if np.isinf(values).any():
            reason = f"a frame holds {np.isinf(values).sum()} infinite numbers"
            raise DataError("infinite", path, reason, ("replace them, or leave it out with ", SKIP_BAD))
        least, most = POSSIBLE.get(units.name, (-math.inf, math.inf))
        wrong = values[(values < least) | (values > most)]
        if wrong.size:
            reason = f"{wrong.size} pixels of a frame are no {units.name}, such as {wrong[0]:g}"
            option = Setting("data.reader_options.missing", "...")
            fix = ("if that is missing, make it NaN or name it (", option, "); else say the right units")
            raise DataError("impossible", path, reason, fix)
        wet = 0.0 if units.is_rain else np.nan
        numbers: tuple[float, ...] = (0.0, wet, np.inf, -np.inf)
        if values.size:
            if units.is_rain:
                wet = float((to_rate(torch.from_numpy(values), units, Z_R["dwd"]) >= WET_MM_H).float().mean())
            numbers = (values.size / frame.size, wet, float(values.min()), float(values.max()))
        return cls(*(np.array([number]) for number in numbers))


STATISTICS = tuple(field.name for field in fields(FrameStatistics))
