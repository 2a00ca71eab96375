"""Small models and frames."""

import inspect
import os
from pathlib import Path
from typing import Any

import pytest
import torch

import msrnn
from msrnn.nn.models import MODELS

SMALL = {"links": 2, "window": 5}


def tiny_model(name: str, **options: Any) -> msrnn.Forecaster:
    """A model of that name with few channels, the same weights every time, large enough that every path matters."""
    cell = MODELS[name].cell
    small = {key: SMALL[key] for key in inspect.signature(cell).parameters if key in SMALL}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = msrnn.create_model(name, **({"hidden_channels": 4} | small | options))
        for parameter in model.parameters():
            parameter.data.mul_(2)
    return model


def frames(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradient(of: torch.Tensor) -> torch.Tensor:
    """The gradient that it has."""
    assert of.grad is not None
    return of.grad


def head_bias(model: msrnn.Forecaster) -> torch.Tensor:
    """What is added to every prediction; to be changed in place."""
    assert model.head.bias is not None
    return model.head.bias.data


def folder(variable: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} names no folder")
    return Path(os.environ[variable])
