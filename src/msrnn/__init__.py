"""Spatiotemporal prediction with recurrent networks, plain and multi-scale (MS-RNN, https://arxiv.org/abs/2206.03010).

Public names load on first use: `import msrnn` itself imports nothing but the standard library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Cell": "msrnn.cells",
    "Forecaster": "msrnn.forecaster",
    "Place": "msrnn.cells",
    "create_model": "msrnn.models",
    "from_reference": "msrnn.reference",
    "list_models": "msrnn.models",
    "load": "msrnn.predictor",
}

__all__ = sorted(_HOME)  # noqa: PLE0605

if TYPE_CHECKING:
    from msrnn.cells import Cell as Cell
    from msrnn.cells import Place as Place
    from msrnn.forecaster import Forecaster as Forecaster
    from msrnn.models import create_model as create_model
    from msrnn.models import list_models as list_models
    from msrnn.predictor import load as load
    from msrnn.reference import from_reference as from_reference


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'msrnn' has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
