"""Scores of forecasts: sums first, scores last."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.image import structural_similarity_index_measure

SSIM_WINDOW = 11


class ForecastScores(Metric):
    """MSE, MAE, SSIM and PSNR of forecasts in [0, 1], per lead time.

    mse and mae are means over pixels; ssim (Wang et al. 2004: Gaussian window of 11 pixels, sigma 1.5, data range 1)
    and psnr (in dB, of each frame) are means over frames. Missing pixels take no part: ssim leaves out the windows
    that touch one. A score with nothing to count is NaN, as ssim is for frames smaller than its window.
    """

    full_state_update = False
    higher_is_better = None
    names = ("mse", "mae", "ssim", "psnr")
    sums: Tensor
    counts: Tensor

    def __init__(self, horizon: int) -> None:
        super().__init__()
        self.add_state("sums", torch.zeros(len(self.names), horizon, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(len(self.names), horizon, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, forecast: Tensor, truth: Tensor, valid: Tensor | None = None) -> None:
        """All (batch, horizon, channel, y, x), on any device; `valid` is bool, by default True everywhere."""
        valid = torch.ones_like(truth, dtype=torch.bool) if valid is None else valid
        with torch.autocast(truth.device.type, enabled=False):
            truth = torch.where(valid, truth.float(), 0)
            error = torch.where(valid, forecast.float(), 0) - truth
            ssim, windows = _ssim(truth + error, truth, valid)
        pixels = self._exact(valid.sum(dim=(2, 3, 4)))
        squared = self._exact(error.square().sum(dim=(2, 3, 4)))
        absolute = self._exact(error.abs().sum(dim=(2, 3, 4)))
        psnr = -10 * (squared / pixels).log10()
        seen, comparable = pixels > 0, self._exact(windows) > 0
        for row, (values, count) in enumerate(
            (
                (squared, pixels),
                (absolute, pixels),
                (torch.where(comparable, self._exact(ssim), 0), comparable),
                (torch.where(seen, psnr, 0), seen),
            )
        ):
            self.sums[row] += values.sum(dim=0)
            self.counts[row] += count.sum(dim=0)

    def _exact(self, values: Tensor) -> Tensor:
        return values.to(self.sums.device).double()

    def compute(self) -> dict[str, Tensor]:
        """Each score, (horizon,) float64."""
        return dict(zip(self.names, self.sums / self.counts, strict=True))


class Contingency(Metric):
    """Counts of yes-or-no forecasts of rain at or above thresholds, per lead time; scores are made of the totals.

    Args:
        horizon: frames of a forecast.
        thresholds_mm_h: an event is a pixel with at least that rain rate.
    """

    full_state_update = False
    higher_is_better = None
    counts: Tensor
    """(4, threshold, horizon) int64: hits, misses, false alarms, correct negatives."""

    def __init__(self, horizon: int, thresholds_mm_h: tuple[float, ...]) -> None:
        super().__init__()
        self.thresholds_mm_h = thresholds_mm_h
        counts = torch.zeros(4, len(thresholds_mm_h), horizon, dtype=torch.int64)
        self.add_state("counts", counts, dist_reduce_fx="sum")

    def update(self, forecast_mm_h: Tensor, truth_mm_h: Tensor) -> None:
        """Both (batch, horizon, channel, y, x); where either is NaN, nothing is counted."""
        valid = ~(forecast_mm_h.isnan() | truth_mm_h.isnan())
        for number, threshold in enumerate(self.thresholds_mm_h):
            said, was = forecast_mm_h >= threshold, truth_mm_h >= threshold
            for row, cell in enumerate((said & was, ~said & was, said & ~was, ~said & ~was)):
                self.counts[row, number] += (cell & valid).sum(dim=(0, 2, 3, 4)).to(self.counts.device)

    def compute(self) -> Tensor:
        """The counts."""
        return self.counts


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


def _cells(counts: Tensor) -> tuple[Tensor, ...]:
    return counts.double().unbind()


RAIN_SCORES = {"csi": csi, "hss": hss, "pod": pod, "far": far}
"""(4, ...) counts to scores (...); NaN, where there is nothing to count."""


def scoring_device(device: torch.device) -> torch.device:
    """Where sums are kept: on `device`, unless it has no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def _ssim(forecast: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM of each frame, and the number of windows it is the mean of; both (batch, horizon)."""
    if min(truth.shape[-2:]) < SSIM_WINDOW:
        nothing = truth.new_zeros(truth.shape[:2])
        return nothing, nothing
    _, image = structural_similarity_index_measure(
        forecast.flatten(0, 1), truth.flatten(0, 1), sigma=1.5, data_range=1.0, reduction="none", return_full_image=True
    )
    edge = SSIM_WINDOW // 2
    inside = image[..., edge:-edge, edge:-edge]  # where the window lies within the frame, as scikit-image does
    touched = torch.nn.functional.max_pool2d((~valid).flatten(0, 1).float(), SSIM_WINDOW, stride=1)
    whole = touched == 0
    count = whole.sum(dim=(1, 2, 3))
    ssim = torch.where(whole, inside, 0).sum(dim=(1, 2, 3)) / count.clamp(min=1)
    return ssim.reshape(truth.shape[:2]), count.reshape(truth.shape[:2])
