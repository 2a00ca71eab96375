"""Pictures of forecasts and scores: animations, figures for a notebook or a paper, and reports."""

from importlib import import_module
from typing import Any

_HOMES = {
    "animate": "animation",
    "plot_frames": "figures",
    "plot_scores": "figures",
    "plot_training": "figures",
    "save_figure": "figures",
    "write_report": "page",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Names load on first use: an animation needs no matplotlib."""
    if name not in _HOMES:
        raise AttributeError(f"module 'msrnn.report' has no attribute {name!r}")
    return getattr(import_module(f"msrnn.report.{_HOMES[name]}"), name)
