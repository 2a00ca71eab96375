"""Scores of forecasts, as torchmetrics classes: sums first, scores last."""

from msrnn.scores.base import Conditions, Score, SummedScores, scoring_device
from msrnn.scores.continuous import LPIPS, BalancedErrors, FrameScores, PhysicalErrors, PixelErrors
from msrnn.scores.events import EVENT_SCORES, Contingency, FractionsSkill
from msrnn.scores.table import SCORES, ScoreInfo

__all__ = [
    "EVENT_SCORES",
    "LPIPS",
    "SCORES",
    "BalancedErrors",
    "Conditions",
    "Contingency",
    "FractionsSkill",
    "FrameScores",
    "PhysicalErrors",
    "PixelErrors",
    "Score",
    "ScoreInfo",
    "SummedScores",
    "scoring_device",
]
