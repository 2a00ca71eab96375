"""Figures for a notebook or a paper, and animations of forecasts."""

from importlib import import_module
from typing import Any

_HOMES = {
    "animate": "animation",
    "plot_frames": "figures",
    "plot_scores": "figures",
    "plot_training": "figures",
    "save_figure": "figures",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Load names on first use: an animation needs no matplotlib."""
    if name not in _HOMES:
        raise AttributeError(f"module 'msrnn.plots' has no attribute {name!r}")
    return getattr(import_module(f"msrnn.plots.{_HOMES[name]}"), name)
