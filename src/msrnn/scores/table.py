"""`SCORES`: every score by name, the class that computes it, its best value and where it is shown.

To add a score, write a class (`msrnn.scores.base.SummedScores`) and add a row here: evaluations, tables, reports and
experiments have it then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from msrnn.scores.base import SummedScores
from msrnn.scores.continuous import LPIPS, BalancedErrors, FrameScores, PhysicalErrors, PixelErrors
from msrnn.scores.events import Contingency, FractionsSkill

TablePlace = Literal["text", "text without events", "report", "figures", "experiment"]
"""Lead times in the text table, always or if no event is scored; a report's table and figures; an experiment's table.
(Every score is in the text table over all lead times, in scores.csv and in a report's table of all scores.)"""


@dataclass(frozen=True)
class ScoreInfo:
    """A row of `SCORES`.

    Args:
        computed_by: the class that computes the score, maybe with others; its `physical` names the values it is of.
        best: the value of a perfect forecast, from which skill is computed; None, if there is none.
        higher_is_better: None, if neither direction is better.
        shown: where the score is shown.
        label: what tables call it, if not by its name.
        units: "{unit}" and "({unit})^2" stand for the data's own, which tables then name; "" names none.
    """

    computed_by: type[SummedScores]
    best: float | None = None
    higher_is_better: bool | None = None
    shown: tuple[TablePlace, ...] = ()
    label: str = ""
    units: str = ""

    @property
    def direction(self) -> str:
        """Describe what is better: "lower is better", "higher is better" or ""."""
        return {True: "higher is better", False: "lower is better", None: ""}[self.higher_is_better]


def _error(
    computed_by: type[SummedScores], *shown: TablePlace, label: str = "", units: str = "", best: float = 0.0
) -> ScoreInfo:
    return ScoreInfo(computed_by, best, False, shown, label, units)


def _skill(computed_by: type[SummedScores], *shown: TablePlace) -> ScoreInfo:
    return ScoreInfo(computed_by, 1.0, True, shown)


SCORES: dict[str, ScoreInfo] = {
    "mse": _error(PixelErrors, "text", "report", "figures"),
    "mae": _error(PixelErrors, "report", "figures"),
    "rmse": _error(PixelErrors),
    "mse_physical": _error(PhysicalErrors, label="mse", units="({unit})^2"),
    "mae_physical": _error(PhysicalErrors, label="mae", units="{unit}"),
    "rmse_physical": _error(PhysicalErrors, "report", "figures", label="rmse", units="{unit}"),
    "ssim": _skill(FrameScores, "text", "report", "figures", "experiment"),
    "psnr": ScoreInfo(FrameScores, None, True, ("text without events", "report", "figures", "experiment")),
    "mse_sum": _error(FrameScores, "experiment"),
    "mae_sum": _error(FrameScores, "experiment"),
    "gdl": _error(FrameScores, "report", "figures"),
    "balanced_mse": _error(BalancedErrors, "experiment"),
    "balanced_mae": _error(BalancedErrors, "experiment"),
    "lpips": _error(LPIPS),
    "csi": _skill(Contingency, "text", "report", "figures", "experiment"),
    "hss": _skill(Contingency, "experiment"),
    "ets": _skill(Contingency),
    "pod": _skill(Contingency, "experiment"),
    "far": _error(Contingency, "experiment"),
    "bias": ScoreInfo(Contingency, shown=("figures",)),
    "fss": _skill(FractionsSkill, "figures"),
}
"""The order is that of an experiment's table. Whatever is in scores but not here is shown with all scores only."""


def is_shown(name: str, place: TablePlace) -> bool:
    """Tell whether a score is shown in a place."""
    return name in SCORES and place in SCORES[name].shown


def best_value(name: str) -> float | None:
    """Return the value of a perfect forecast; None, where skill has no meaning."""
    return SCORES[name].best if name in SCORES else None


def direction(name: str) -> str:
    """Describe what is better: " (lower is better)", " (higher is better)" or ""."""
    words = SCORES[name].direction if name in SCORES else ""
    return f" ({words})" if words else ""


def score_classes(more: Iterable[type[SummedScores]] = ()) -> list[type[SummedScores]]:
    """List the classes that compute the scores of `SCORES`, and `more` after them, each once."""
    return list(dict.fromkeys((*(row.computed_by for row in SCORES.values()), *more)))
