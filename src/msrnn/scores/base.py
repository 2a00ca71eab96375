"""The base of all scores: sums first, scores last."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor
from torchmetrics import Metric

from msrnn.units import ZR

PIXELS = (2, 3, 4)
"""Axes of (batch, lead, channel, y, x) that a frame is summed over."""


class Score(NamedTuple):
    """Key of a score: its name and, where it has them, its threshold (in physical units) and window (in pixels)."""

    name: str
    threshold: float | None = None
    window: int | None = None


Distance = Callable[[Tensor, Tensor], Tensor]
"""A function of two batches of pictures (n, 3, y, x) in [0, 1] that gives (n,)."""


@dataclass(frozen=True)
class Conditions:
    """The forecasts that an evaluation scores, as far as scores depend on them.

    Args:
        leads: lead times of a forecast.
        resamples: bootstrap resamples.
        thresholds: of events, in physical units.
        windows: edges of the fractions skill score's windows, in pixels.
        has_units: physical values differ from frames in [0, 1], and forecasts of them are scored.
        z_r: how pixels in [0, 1] are rain rates; None, if they are something else.
        distance: perceptual distance of pictures; None, if it is not wanted.
    """

    leads: int
    resamples: int = 0
    thresholds: tuple[float, ...] = ()
    windows: tuple[int, ...] = ()
    has_units: bool = True
    z_r: ZR | None = None
    distance: Distance | None = None


class SummedScores(Metric):
    """Scores that are made of sums over sequences.

    Sums add up over batches of any size and over processes; scores are made of the totals, of each lead time
    (`compute`) or of all (`overall`). A subclass says what is summed (`sums_of`) and what scores that makes (`scores`).

    Args:
        leads: lead times of a forecast.
        statistics: numbers that are summed for each lead time.
        resamples: bootstrap resamples that are summed alongside, with the weights that `update` is given.
    """

    physical: ClassVar[bool] = False
    """Whether physical values are scored (rain in mm/h, other data in their own units) or frames in [0, 1]."""
    full_state_update = False
    higher_is_better = None
    exact: torch.dtype = torch.float64
    """Type of the sums."""
    sums: Tensor
    """(statistic, lead)"""
    resampled: Tensor
    """(resample, statistic, lead) float64"""

    def __init__(self, leads: int, statistics: int, resamples: int = 0) -> None:
        super().__init__()
        self.add_state("sums", torch.zeros(statistics, leads, dtype=self.exact), dist_reduce_fx="sum")
        zeros = torch.zeros(resamples, statistics, leads, dtype=torch.float64)
        self.add_state("resampled", zeros, dist_reduce_fx="sum")
        self.latest = torch.zeros(0, statistics, leads, dtype=self.exact)
        """(sequence, statistic, lead): the sums of the last update's sequences."""

    @classmethod
    def suited_to(cls, conditions: Conditions) -> Self | None:
        """Make the scores for an evaluation; None, if they do not apply to it. By default they always do."""
        return cls(conditions.leads, resamples=conditions.resamples)  # type: ignore[call-arg]  # subclasses' own

    def update(
        self, forecast: Tensor, truth: Tensor, valid: Tensor | None = None, weights: Tensor | None = None
    ) -> None:
        """Add sequences.

        Args:
            forecast, truth: (batch, lead, channel, y, x), on any device; where either is NaN, nothing is scored.
            valid: bool, of the same shape; where it is False, nothing is scored either.
            weights: (batch, resamples): how often each resample holds each sequence.
        """
        device = scoring_device(truth.device)
        forecast, truth = forecast.to(device), truth.to(device)
        missing = forecast.isnan() | truth.isnan()
        valid = ~missing if valid is None else valid.to(device) & ~missing
        with torch.autocast(truth.device.type, enabled=False):
            forecast, truth = (torch.where(valid, frames, 0).to(_precise(truth)) for frames in (forecast, truth))
            self.latest = self.sums_of(forecast, truth, valid).to(self.sums.device, self.exact)
        self.sums += self.latest.sum(dim=0)
        if weights is not None:
            weights = weights.to(self.resampled)
            self.resampled += torch.einsum("br,bsl->rsl", weights, self.latest.to(self.resampled))

    def compute(self) -> dict[Score, Tensor]:
        """Compute each score, (lead,), NaN where there is nothing to count; torchmetrics makes a scalar of one lead."""
        return self.scores(self.sums)

    def per_lead(self) -> dict[Score, Tensor]:
        """Compute each score, (lead,) even for a single lead time."""
        with self.sync_context():
            return self.scores(self.sums)

    def overall(self) -> dict[Score, Tensor]:
        """Each score of all lead times together, a scalar."""
        with self.sync_context():
            return self._overall(self.sums)

    def of_each(self) -> dict[Score, Tensor]:
        """Each score of each sequence of the last update, all lead times together, (sequence,)."""
        return self._overall(self.latest)

    def of_resamples(self) -> dict[Score, Tensor]:
        """Each score of each resample, (resample, lead + 1): of each lead time, and of all of them."""
        with self.sync_context():
            return self.scores(torch.cat((self.resampled, self.resampled.sum(dim=-1, keepdim=True)), dim=-1))

    def _overall(self, sums: Tensor) -> dict[Score, Tensor]:
        return {score: values[..., 0] for score, values in self.scores(sums.sum(dim=-1, keepdim=True)).items()}

    def sums_of(self, forecast: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
        """(batch, statistic, lead) of frames (batch, lead, channel, y, x), which are 0 where they are not `valid`."""
        raise NotImplementedError

    def scores(self, sums: Tensor) -> dict[Score, Tensor]:
        """Each score (..., lead) of sums (..., statistic, lead)."""
        raise NotImplementedError


def scoring_device(device: torch.device) -> torch.device:
    """Return the device that computes scores: `device`, or the CPU if it has no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def _precise(frames: Tensor) -> torch.dtype:
    return torch.float64 if frames.dtype == torch.float64 else torch.float32
