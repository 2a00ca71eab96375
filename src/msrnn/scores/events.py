"""Yes-or-no forecasts: whether a pixel reaches a threshold."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from msrnn.scores.base import PIXELS, Conditions, Score, SummedScores


class Contingency(SummedScores):
    """Scores of events: a pixel at or above a threshold.

    They are computed from counts of hits, misses, false alarms and correct negatives.

    Args:
        leads: lead times of a forecast.
        thresholds: in the units of the frames.
        resamples: bootstrap resamples.
    """

    physical = True
    exact = torch.int64

    def __init__(self, leads: int, thresholds: Sequence[float], resamples: int = 0) -> None:
        super().__init__(leads, len(thresholds) * 4, resamples)
        self.thresholds = tuple(thresholds)

    @classmethod
    def suited_to(cls, conditions: Conditions) -> Self | None:
        """Make the scores, if there are thresholds."""
        c = conditions
        return cls(c.leads, c.thresholds, c.resamples) if c.thresholds else None

    def sums_of(self, forecast: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
        """Hits, misses, false alarms and correct negatives at each threshold."""
        cells = []
        for threshold in self.thresholds:
            said, was = forecast >= threshold, truth >= threshold
            cells += [(cell & valid).sum(dim=PIXELS) for cell in (said & was, ~said & was, said & ~was, ~said & ~was)]
        return torch.stack(cells, dim=1)

    def counts(self) -> Tensor:
        """(4, threshold, lead) int64: hits, misses, false alarms, correct negatives."""
        return self._cells(self.sums)

    def scores(self, sums: Tensor) -> dict[Score, Tensor]:
        """`EVENT_SCORES` at each threshold."""
        cells = self._cells(sums)
        return {
            Score(name, threshold): score(cells[:, number])
            for name, score in EVENT_SCORES.items()
            for number, threshold in enumerate(self.thresholds)
        }

    def _cells(self, sums: Tensor) -> Tensor:
        """Reshape sums (..., statistic, lead) to (4, threshold, ..., lead)."""
        leads = sums.shape[-1]
        return sums.reshape(*sums.shape[:-2], len(self.thresholds), 4, leads).movedim((-2, -3), (0, 1))


def pod(counts: Tensor) -> Tensor:
    """Probability of detection: hits / (hits + misses)."""
    hits, misses, _, _ = _cells(counts)
    return hits / (hits + misses)


def far(counts: Tensor) -> Tensor:
    """False alarm ratio: false alarms / (hits + false alarms)."""
    hits, _, alarms, _ = _cells(counts)
    return alarms / (hits + alarms)


def csi(counts: Tensor) -> Tensor:
    """Critical success index: hits / (hits + misses + false alarms)."""
    hits, misses, alarms, _ = _cells(counts)
    return hits / (hits + misses + alarms)


def hss(counts: Tensor) -> Tensor:
    """Heidke skill score: the share of right forecasts, from 0 (as many as by chance) to 1."""
    hits, misses, alarms, negatives = _cells(counts)
    total = (hits + misses) * (misses + negatives) + (hits + alarms) * (alarms + negatives)
    return 2 * (hits * negatives - misses * alarms) / total


def ets(counts: Tensor) -> Tensor:
    """Equitable threat score, or Gilbert skill score: csi without the hits by chance."""
    hits, misses, alarms, negatives = _cells(counts)
    by_chance = (hits + misses) * (hits + alarms) / (hits + misses + alarms + negatives)
    return (hits - by_chance) / (hits + misses + alarms - by_chance)


def bias(counts: Tensor) -> Tensor:
    """Frequency bias: events forecast / events observed."""
    hits, misses, alarms, _ = _cells(counts)
    events = hits + misses
    return torch.where(events > 0, (hits + alarms) / events, torch.nan)


def _cells(counts: Tensor) -> tuple[Tensor, ...]:
    return counts.double().unbind()


EVENT_SCORES = {"csi": csi, "hss": hss, "ets": ets, "pod": pod, "far": far, "bias": bias}
"""Name to a function of counts (4, ...); NaN, where there is nothing to count."""


class FractionsSkill(SummedScores):
    """fss, the fractions skill score: whether the share of events around a pixel is right.

    Roberts and Lean 2008, https://doi.org/10.1175/2007MWR2123.1.

    What lies outside the frame, and missing pixels, are no events.

    Args:
        leads: lead times of a forecast.
        thresholds: in the units of the frames.
        windows: edges of square windows in pixels; an even one begins one pixel further to the upper left.
        resamples: bootstrap resamples.
    """

    physical = True

    def __init__(self, leads: int, thresholds: Sequence[float], windows: Sequence[int], resamples: int = 0) -> None:
        super().__init__(leads, len(thresholds) * len(windows) * 2, resamples)
        self.thresholds, self.windows = tuple(thresholds), tuple(windows)

    @classmethod
    def suited_to(cls, conditions: Conditions) -> Self | None:
        """Make the scores, if there are thresholds and windows."""
        c = conditions
        return cls(c.leads, c.thresholds, c.windows, c.resamples) if c.thresholds and c.windows else None

    def sums_of(self, forecast: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
        """At each threshold and window the squared difference of the fractions, and the sum of their squares."""
        parts = []
        for threshold in self.thresholds:
            events = [_running_counts((frames >= threshold) & valid) for frames in (forecast, truth)]
            for window in self.windows:
                said, was = (_fractions(counts, window) for counts in events)
                parts += [(said - was).square().sum(dim=PIXELS), (said.square() + was.square()).sum(dim=PIXELS)]
        return torch.stack(parts, dim=1)

    def scores(self, sums: Tensor) -> dict[Score, Tensor]:
        """1 - difference / largest possible difference."""
        keys = [Score("fss", threshold, window) for threshold in self.thresholds for window in self.windows]
        difference, largest = sums.reshape(*sums.shape[:-2], len(keys), 2, sums.shape[-1]).unbind(dim=-2)
        return dict(zip(keys, (1 - difference / largest).unbind(dim=-2), strict=True))


def _running_counts(events: Tensor) -> Tensor:
    """(..., y + 1, x + 1): how many events (bool) there are above and to the left."""
    exact = torch.float32 if events[0, 0, 0].numel() < 2**24 else torch.float64
    return torch.nn.functional.pad(events.to(exact), (1, 0, 1, 0)).cumsum(dim=-2).cumsum(dim=-1)


def _fractions(counts: Tensor, window: int) -> Tensor:
    """The share of events in the window around each pixel, of running counts."""
    for axis in (-2, -1):
        last = counts.shape[axis] - 1
        place = torch.arange(last, device=counts.device)
        low, high = (place - window // 2).clamp(min=0), (place + (window + 1) // 2).clamp(max=last)
        counts = counts.index_select(axis, high) - counts.index_select(axis, low)
    return counts / window**2
