"""Scores of forecasts, as torchmetrics classes: sums first, scores last."""

from msrnn.scores.base import Score, SummedScores, scoring_device
from msrnn.scores.continuous import LPIPS, BalancedErrors, FrameScores, PixelErrors
from msrnn.scores.events import EVENT_SCORES, Contingency, FractionsSkill

__all__ = [
    "EVENT_SCORES",
    "LPIPS",
    "PERFECT",
    "PHYSICAL",
    "BalancedErrors",
    "Contingency",
    "FractionsSkill",
    "FrameScores",
    "PixelErrors",
    "Score",
    "SummedScores",
    "scoring_device",
]

PHYSICAL = "_physical"
"""Ends the names of scores in the data's own units."""
PERFECT = {
    **dict.fromkeys(("mse", "mae", "rmse", "mse_sum", "mae_sum", "gdl", "balanced_mse", "balanced_mae", "lpips"), 0.0),
    **dict.fromkeys((*(f"{name}{PHYSICAL}" for name in ("mse", "mae", "rmse")), "far"), 0.0),
    **dict.fromkeys(("ssim", "csi", "hss", "ets", "pod", "fss"), 1.0),
}
"""The best value of a score, where there is one that skill can be measured against: psnr has none, bias no order."""
