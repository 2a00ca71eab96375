"""Scores of forecasts, as torchmetrics classes: sums first, scores last."""

import torch

from msrnn.scores.base import Score, SummedScores
from msrnn.scores.continuous import LPIPS, BalancedErrors, FrameScores, PixelErrors
from msrnn.scores.events import EVENT_SCORES, Contingency, FractionsSkill

__all__ = [
    "EVENT_SCORES",
    "LPIPS",
    "BalancedErrors",
    "Contingency",
    "FractionsSkill",
    "FrameScores",
    "PixelErrors",
    "Score",
    "SummedScores",
    "scoring_device",
]

PERFECT = {
    **dict.fromkeys(("mse", "mae", "rmse", "mse_sum", "mae_sum", "gdl", "balanced_mse", "balanced_mae", "lpips"), 0.0),
    **dict.fromkeys(("mse_physical", "mae_physical", "rmse_physical", "far"), 0.0),
    **dict.fromkeys(("ssim", "csi", "hss", "ets", "pod", "fss"), 1.0),
}
"""The best value of a score, where there is one that skill can be measured against: psnr has none, bias no order."""


def scoring_device(device: torch.device) -> torch.device:
    """Where sums are kept: on `device`, unless it has no float64."""
    return torch.device("cpu") if device.type == "mps" else device
