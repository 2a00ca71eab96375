"""Scores of forecasts: sums first, scores last."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.image import structural_similarity_index_measure

SSIM_WINDOW = 11


class ForecastScores(Metric):
    """MSE, MAE, SSIM and PSNR of forecasts in [0, 1], per lead time.

    mse and mae are means over pixels; ssim (Wang et al. 2004: Gaussian window of 11 pixels, sigma 1.5, data range 1)
    and psnr (in dB, of each frame) are means over frames. Frames smaller than the window have no SSIM: NaN.
    """

    full_state_update = False
    higher_is_better = None
    names = ("mse", "mae", "ssim", "psnr")
    mse: Tensor
    mae: Tensor
    ssim: Tensor
    psnr: Tensor
    count: Tensor

    def __init__(self, horizon: int) -> None:
        super().__init__()
        for name in self.names:
            self.add_state(name, torch.zeros(horizon, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, forecast: Tensor, truth: Tensor) -> None:
        """Both (batch, horizon, channel, y, x), on any device."""
        with torch.autocast(truth.device.type, enabled=False):
            error = forecast.float() - truth.float()
            ssim = _ssim(forecast.float(), truth.float())
        squared = self._exact(error.square().mean(dim=(2, 3, 4)))
        self.mse += squared.sum(dim=0)
        self.mae += self._exact(error.abs().mean(dim=(2, 3, 4))).sum(dim=0)
        self.psnr += (-10 * squared.log10()).sum(dim=0)
        self.ssim += self._exact(ssim).sum(dim=0)
        self.count += len(forecast)

    def _exact(self, values: Tensor) -> Tensor:
        return values.to(self.count.device).double()

    def compute(self) -> dict[str, Tensor]:
        """Each score, (horizon,) float64."""
        return {name: getattr(self, name) / self.count for name in self.names}


def scoring_device(device: torch.device) -> torch.device:
    """Where sums are kept: on `device`, unless it has no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def _ssim(forecast: Tensor, truth: Tensor) -> Tensor:
    """(batch, horizon)"""
    if min(truth.shape[-2:]) < SSIM_WINDOW:
        return truth.new_full(truth.shape[:2], torch.nan)
    _, image = structural_similarity_index_measure(
        forecast.flatten(0, 1), truth.flatten(0, 1), sigma=1.5, data_range=1.0, reduction="none", return_full_image=True
    )
    edge = SSIM_WINDOW // 2
    inside = image[..., edge:-edge, edge:-edge]  # where the window lies within the frame, as scikit-image does
    return inside.mean(dim=(1, 2, 3)).reshape(truth.shape[:2])
