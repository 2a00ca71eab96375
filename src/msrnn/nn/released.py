"""Weights written by the authors' released code."""

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from msrnn.nn.cells import Cell, Place
from msrnn.nn.forecaster import Forecaster
from msrnn.nn.models import create_model, find_model

_LAYER = re.compile(r"rnns\.lstms?\.(\d+)\.(.+)")
_ENDS = {"embed.conv_embed.": "embed.", "fc.conv_fc.": "head.", "rnns.adapter.": "pyramid.shared."}


def from_reference(tensors: Mapping[str, Tensor] | str | os.PathLike[str], name: str, **options: Any) -> Forecaster:
    """A model with the weights of the released MS-RNN code.

    TrajGRU's and MotionRNN's warps are mended here, so their forecasts differ from the released code's: a UserWarning
    says so.

    Args:
        tensors: weights by their released names (`rnns.lstm.0._conv_x2h.weight`, ..., `module.` in front or not), or
            the path of a .safetensors or of a torch file, which is read without executing pickled code.
        name: the model, as for `create_model`.
        **options: as for `create_model`. What is left out is read off the weights, where they show it (PrecipLSTM's
            `window` they do not).

    Raises:
        ValueError: a weight is missing, unknown or of another shape, or an option contradicts the weights.
        FileNotFoundError: there is no such file.
        pickle.UnpicklingError: a torch file holds more than weights.
    """
    if not isinstance(tensors, Mapping):
        tensors = _read(Path(tensors))
    layers, ends = _split({name.removeprefix("module."): tensor for name, tensor in tensors.items()})
    cell = find_model(name).cell
    model = create_model(name, **_options(name, layers, ends, options))
    weights = dict(ends)
    for layer, released in enumerate(layers):
        for ours, tensor in _of_layer(model, cell, layer, released):
            weights[f"pyramid.cells.{layer}.{ours}"] = tensor
    _load(model, weights)
    if cell.mended:
        warnings.warn(
            f"{cell.mended}: forecasts differ from those of the released code with the same weights", stacklevel=2
        )
    return model


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _split(tensors: Mapping[str, Tensor]) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
    """Each layer's weights under their released names, and all others under ours."""
    layers: dict[int, dict[str, Tensor]] = {}
    others: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if match := _LAYER.fullmatch(name):
            layer = layers.setdefault(int(match[1]), {})
            if match[2] in layer:
                raise ValueError(f"weight {name!r} is there twice (rnns.lstm and rnns.lstms)")
            layer[match[2]] = tensor
        elif released := next((end for end in _ENDS if name.startswith(end)), None):
            others[_ENDS[released] + name.removeprefix(released)] = tensor
        else:
            raise ValueError(f"unknown weight {name!r}: not a name of the released MS-RNN code")
    if sorted(layers) != list(range(len(layers))) or not layers:
        raise ValueError(f"the weights have no complete set of layers, only {sorted(layers)} (rnns.lstm.<layer>....)")
    for released, ours in _ENDS.items():
        if ours in ("embed.", "head.") and (f"{ours}weight" not in others or others[f"{ours}weight"].ndim != 4):
            raise ValueError(f"the weights lack {released}weight, or it is not that of a convolution")
    return [layers[layer] for layer in sorted(layers)], others


def _options(
    name: str, layers: list[dict[str, Tensor]], ends: dict[str, Tensor], given: dict[str, Any]
) -> dict[str, Any]:
    """What was given, completed with what the weights show."""
    model = find_model(name)
    kernels = {tensor.shape[-1] for tensor in layers[0].values() if tensor.ndim == 4}
    shown = {
        "hidden_channels": ends["embed.weight"].shape[0],
        "in_channels": ends["embed.weight"].shape[1],
        "out_channels": ends["head.weight"].shape[0],
        "kernel_size": min((kernel for kernel in kernels if kernel > 1 and kernel % 2), default=1),
        **model.cell.options_from_released(layers[0]),
    }
    for option, value in shown.items():
        if given.get(option) not in (None, value):
            raise ValueError(f"{option}={given[option]} contradicts the weights, which have {option}={value}")
    scales = given.get("scales")
    if scales is None:
        scales = model.scales if set(model.scales) != {1} else (1,) * len(layers)
    if len(scales) != len(layers):
        raise ValueError(f"the weights have {len(layers)} layers: give as many scales, not {tuple(scales)}")
    return given | shown | {"scales": scales}


def _of_layer(
    model: Forecaster, cell: type[Cell], layer: int, released: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """The weights of one layer, under our names.

    The released code builds every weight in every layer, and a middle layer uses them all: what that would know and
    this one has not, feeds nothing here and is left out.
    """
    own = cast(Cell, model.pyramid.cells[layer])
    middle = cell.at(Place(1, 3))
    wanted = own.state_dict().keys()
    with torch.device("meta"):
        known = middle(own.channels, own.kernel_size).state_dict().keys()
    for name, tensor in released.items():
        if name.endswith(own.unused):
            continue
        try:
            ours, converted = own.from_released(name, tensor)
        except (ValueError, RuntimeError, IndexError) as error:
            raise ValueError(f"{name!r} in layer {layer} has an unexpected shape {tuple(tensor.shape)}") from error
        if ours in wanted:
            yield ours, converted
        elif middle.from_released(name, tensor)[0] not in known:
            raise ValueError(f"unknown weight {name!r} in layer {layer}")


def _load(model: Forecaster, weights: dict[str, Tensor]) -> None:
    wanted = model.state_dict()
    if missing := wanted.keys() - weights.keys():
        raise ValueError(f"the weights lack {len(missing)} of the model's, among them {min(missing)}")
    if extra := weights.keys() - wanted.keys():
        raise ValueError(f"the model has no place for {len(extra)} of the weights, among them {min(extra)}")
    for name, tensor in wanted.items():
        if weights[name].shape != tensor.shape:
            raise ValueError(
                f"{name} is {tuple(tensor.shape)} in the model, {tuple(weights[name].shape)} in the weights"
            )
    model.load_state_dict(weights)
