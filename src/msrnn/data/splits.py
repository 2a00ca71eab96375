"""Windows of frames at equal steps, and which split a frame belongs to."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from msrnn.errors import Setting, SettingsError

NONE, TRAIN, VALIDATION, TEST = -1, 0, 1, 2
"""Labels of frames; those between two splits belong to none."""
Labels = list[np.ndarray]
"""For each sequence, the split of each frame."""
SplitBy = Literal["time", "day", "event"]
DAY_NS = 86_400_000_000_000
GOLDEN = (5**0.5 - 1) / 2


def cut_windows(times: np.ndarray, usable: np.ndarray, length: int, step: int, stride: int) -> np.ndarray:
    """All windows of `length` usable frames, each a `step` after the one before it; none lies across a gap.

    Args:
        times: (frame,) int64, rising.
        usable: (frame,) bool.
        length: frames of a window.
        step: between frames, in the units of `times`.
        stride: a window begins at least so many frames after the one before it.

    Returns:
        (window, length) int64: numbers of frames.
    """
    wanted = times[:, None] + step * np.arange(length)
    found = np.searchsorted(times, wanted).clip(max=max(0, len(times) - 1))
    possible = ((times[found] == wanted) & usable[found]).all(axis=1) if len(times) else np.zeros(0, bool)
    starts: list[int] = []
    last = -stride
    for start in np.flatnonzero(possible).tolist():
        if start >= last + stride:
            starts.append(start)
            last = start
    windows: np.ndarray = found[starts]
    return windows


def split_by(
    times: Sequence[np.ndarray],
    timed: bool,
    by: SplitBy,
    shares: tuple[float, float, float],
    guard: int,
    boundaries: tuple[int | None, int | None] = (None, None),
) -> list[np.ndarray]:
    """A label for each frame of each sequence.

    Args:
        times: for each sequence, (frame,) int64, rising.
        timed: whether they are times, which all sequences share, rather than numbers of frames.
        by: "time": the first share of all frames trains, the second validates, the third tests. "day" and "event":
            whole days (UTC), or whole stretches without a gap, are dealt out. A day or event never changes its split,
            whatever else there is.
        shares: of training, validation and test.
        guard: frames at the border between two splits that belong to neither, in units of time.
        boundaries: where validation and test begin, instead of shares.

    Raises:
        SettingsError: days are asked for, and there are no times.
    """
    owner = np.repeat(np.arange(len(times)), [len(one) for one in times])
    pooled = np.concatenate(list(times))
    unit = pooled if timed else owner * (pooled.max() + 2) + pooled  # numbered sequences come one after another
    order = np.argsort(unit, kind="stable")
    if boundaries != (None, None):
        starts = [np.iinfo(np.int64).max if b is None else b for b in boundaries]
        label = np.where(pooled >= starts[1], TEST, np.where(pooled >= starts[0], VALIDATION, TRAIN))
    elif by == "time":
        _, rank, count = np.unique(unit, return_inverse=True, return_counts=True)
        place = (np.cumsum(count)[rank] - count[rank]) / len(unit)
        label = _of_shares(place, shares)
    else:
        # multiples of the golden ratio, without their whole part, fill [0, 1) evenly however many there are
        label = _of_shares(_numbers(unit[order], timed, by)[np.argsort(order)] * GOLDEN % 1, shares)
    cut = label.copy()
    for sequence in [order] if timed else [order[owner[order] == s] for s in range(len(times))]:
        _guard(pooled[sequence], label[sequence], guard, cut, sequence)
    return [cut[owner == s] for s in range(len(times))]


def _of_shares(place: np.ndarray, shares: tuple[float, float, float]) -> np.ndarray:
    """Labels of places in [0, 1)."""
    return np.searchsorted(np.cumsum(shares)[:2] - 1e-9, place, side="right").astype(np.int64)


def _numbers(times: np.ndarray, timed: bool, by: SplitBy) -> np.ndarray:
    """For each frame, in order, the number of its day; of an event, of the day it begins, or of the event itself."""
    if by == "day":
        if not timed:
            raise SettingsError(Setting("data.split", by), ": the files say nothing of time; choose time or event")
        return times // DAY_NS
    step = min(np.unique(np.diff(times)[np.diff(times) > 0]), default=1) if timed else 1
    event = np.concatenate(([0], np.cumsum(np.diff(times) > step)))
    return times[np.searchsorted(event, event)] // DAY_NS if timed else event


def _guard(times: np.ndarray, label: np.ndarray, guard: int, cut: np.ndarray, frames: np.ndarray) -> None:
    """Take frames near another split out: those that train, or else that come before."""
    for border in np.flatnonzero(np.diff(label)):
        before, after = label[border], label[border + 1]
        if after == TRAIN:
            near = (times > times[border]) & (times <= times[border] + guard) & (label == after)
        else:
            near = (times < times[border + 1]) & (times >= times[border + 1] - guard) & (label == before)
        cut[frames[near]] = NONE
