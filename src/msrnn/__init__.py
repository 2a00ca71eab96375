"""Spatiotemporal prediction with recurrent networks, plain and multi-scale (MS-RNN, https://arxiv.org/abs/2206.03010).

Public names load on first use: `import msrnn` itself imports nothing but the standard library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Cell": "msrnn.nn.cells",
    "DataSettings": "msrnn.settings",
    "DigitsSettings": "msrnn.settings",
    "Forecaster": "msrnn.nn.forecaster",
    "ModelSettings": "msrnn.settings",
    "Place": "msrnn.nn.cells",
    "ReaderSettings": "msrnn.settings",
    "RunSettings": "msrnn.settings",
    "Step": "msrnn.nn.cells",
    "create_model": "msrnn.nn.models",
    "evaluate": "msrnn.evaluation.evaluate",
    "from_reference": "msrnn.nn.released",
    "list_models": "msrnn.nn.models",
    "load": "msrnn.runs.predictor",
    "open_archive": "msrnn.data.archive",
    "open_data": "msrnn.data",
    "train": "msrnn.training.train",
}

__all__ = sorted(_HOME)  # noqa: PLE0605

if TYPE_CHECKING:
    from msrnn.data import open_data as open_data
    from msrnn.data.archive import open_archive as open_archive
    from msrnn.evaluation.evaluate import evaluate as evaluate
    from msrnn.nn.cells import Cell as Cell
    from msrnn.nn.cells import Place as Place
    from msrnn.nn.cells import Step as Step
    from msrnn.nn.forecaster import Forecaster as Forecaster
    from msrnn.nn.models import create_model as create_model
    from msrnn.nn.models import list_models as list_models
    from msrnn.nn.released import from_reference as from_reference
    from msrnn.runs.predictor import load as load
    from msrnn.settings import DataSettings as DataSettings
    from msrnn.settings import DigitsSettings as DigitsSettings
    from msrnn.settings import ModelSettings as ModelSettings
    from msrnn.settings import ReaderSettings as ReaderSettings
    from msrnn.settings import RunSettings as RunSettings
    from msrnn.training.train import train as train


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'msrnn' has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
