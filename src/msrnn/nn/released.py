"""Import of weights that the authors' released code wrote."""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from msrnn.nn.cells import Cell, Place
from msrnn.nn.cells.cmslstm import CMSLSTM
from msrnn.nn.cells.mim import MIM
from msrnn.nn.cells.mklstm import MKLSTM
from msrnn.nn.cells.modernn import MoDeRNN
from msrnn.nn.cells.motionrnn import BottomMotionRNN, MotionRNN
from msrnn.nn.cells.preciplstm import PrecipLSTM
from msrnn.nn.cells.trajgru import TrajGRU
from msrnn.nn.forecaster import Forecaster
from msrnn.nn.models import create_model, find_model

_LAYER = re.compile(r"rnns\.lstms?\.(\d+)\.(.+)")
_OUTSIDE_LAYERS = {"embed.conv_embed.": "embed.", "fc.conv_fc.": "head.", "rnns.adapter.": "pyramid.shared."}


@dataclass(frozen=True)
class Released:
    """Translation of one cell's weights from the released code."""

    rename: Mapping[str, str] = field(default_factory=dict)
    """Substitutions (regular expression: replacement), made in this order after a leading underscore is dropped."""
    convert: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    """Changes of layout by the name here (a regular expression that matches all of it)."""
    options: Callable[[Mapping[str, Tensor]], dict[str, Any]] = lambda weights: {}
    """Function that reads the cell's options off the weights of one layer, by their released names."""
    unused: tuple[str, ...] = ()
    """Suffixes of released weights that no layer uses."""
    corrected: str | None = None
    """Correction of the released code, which changes forecasts: `from_reference` warns of it."""

    def name(self, released: str) -> str:
        """Return the name that a weight of one layer has here."""
        name = released.removeprefix("_")
        for pattern, replacement in self.rename.items():
            name = re.sub(pattern, replacement, name)
        return name

    def tensor(self, name: str, tensor: Tensor) -> Tensor:
        """Return a weight in the layout that it has here; `name` is its name here."""
        for pattern, convert in self.convert.items():
            if re.fullmatch(pattern, name):
                tensor = convert(tensor)
        return tensor


def _without_forget_gate(tensor: Tensor) -> Tensor:
    i, _, g, o = tensor.chunk(4)
    return torch.cat((i, g, o))


def _by_channel(tensor: Tensor) -> Tensor:
    """Reorder the inputs of TrajGRU's `project`: released copy by copy, here channel by channel."""
    channels = tensor.shape[0] // 3
    return tensor.reshape(len(tensor), -1, channels, 1, 1).transpose(1, 2).flatten(1, 2)


def _links(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    flow = weights.get("_conv_flow.bias")
    return {} if flow is None else {"links": flow.numel() // 2}


_MIM = Released(convert={r"conv_[xh]2h\..*": _without_forget_gate})
_MOTION = Released(
    rename={r"^(conv_enc|conv_u|conv_r|conv_z|conv_hm|conv_dec|deconv_dec|conv_g)(?=\.|$)": r"motion.\1"},
    corrected="MotionRNN's warp is corrected (zero flow is the identity; samples and pixels are not mixed)",
)

RELEASED: dict[type[Cell], Released] = {
    CMSLSTM: Released(
        rename={
            r"SEBlock\.": "",
            r"stages\.": "attentions.",
            "f_query": "conv_query",
            "f_key": "conv_key",
            "f_value": "conv_value",
            "conv_bn": "conv_attended",
            r"w_z\.": "conv_z.",
            "w_h2h": "conv_h2igo",
            "w_z2h": "conv_z2igo",
            "convQ": "conv_q",
            "convR": "conv_r",
        },
        unused=("f_key.bias",),  # softmax does not see what all logits of a query have in common
    ),
    MIM: _MIM,
    MKLSTM: Released(rename={r"_3\.": "_small.", r"_5\.": "_large."}),
    MoDeRNN: Released(
        rename={
            "conv33_H": "convs_q.0",
            "conv33_X": "convs_r.0",
            "conv55_H": "convs_q.1",
            "conv55_X": "convs_r.1",
            "conv77_H": "convs_q.2",
            "conv77_X": "convs_r.2",
        }
    ),
    BottomMotionRNN: _MOTION,
    MotionRNN: replace(_MOTION, convert=_MIM.convert),
    PrecipLSTM: Released(
        rename={
            r"^LA\.conv1\.": "conv_query.",
            r"^LA\.conv2\.": "conv_key.",
            r"^LA\.conv3\.": "conv_value.",
            r"^c_m_ms_mt\.": "conv_c_m_ms_mt.",
        }
    ),
    TrajGRU: Released(
        convert={r"project\.weight": _by_channel},
        options=_links,
        corrected="TrajGRU's warp is corrected (zero flow is the identity)",
    ),
}
"""Translation of each class's weights; other classes have the row of their nearest base class, or the default."""


def released_row(cell: type[Cell]) -> Released:
    """Return the translation of a cell class's weights: a row of `RELEASED`, or the default."""
    return next((RELEASED[base] for base in cell.__mro__ if base in RELEASED), Released())


def from_reference(tensors: Mapping[str, Tensor] | str | os.PathLike[str], name: str, **options: Any) -> Forecaster:
    """Build a model with the weights of the released MS-RNN code.

    TrajGRU's and MotionRNN's warps are corrected here, so their forecasts differ from the released code's; a
    UserWarning says so.

    Args:
        tensors: weights by their released names (`rnns.lstm.0._conv_x2h.weight`, ..., `module.` in front or not), or
            the path of a .safetensors or of a torch file, which is read without executing pickled code.
        name: the model, as for `create_model`.
        **options: as for `create_model`. Missing ones are read off the weights, except PrecipLSTM's `window`, which
            the weights do not show.

    Raises:
        ValueError: a weight is missing, unknown or of another shape, or an option contradicts the weights.
        FileNotFoundError: there is no such file.
        pickle.UnpicklingError: a torch file holds more than weights.
    """
    if not isinstance(tensors, Mapping):
        tensors = _read(Path(tensors))
    layers, outside = _split({name.removeprefix("module."): tensor for name, tensor in tensors.items()})
    cell = find_model(name).cell
    model = create_model(name, **_options(name, layers, outside, options))
    weights = dict(outside)
    for layer, released in enumerate(layers):
        for ours, tensor in _layer_weights(model, cell, layer, released):
            weights[f"pyramid.cells.{layer}.{ours}"] = tensor
    _load(model, weights)
    if corrected := released_row(cell).corrected:
        warnings.warn(
            f"{corrected}: forecasts differ from those of the released code with the same weights", stacklevel=2
        )
    return model


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _split(tensors: Mapping[str, Tensor]) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
    """Return each layer's weights under their released names, and all other weights under the names they have here."""
    layers: dict[int, dict[str, Tensor]] = {}
    others: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if match := _LAYER.fullmatch(name):
            layer = layers.setdefault(int(match[1]), {})
            if match[2] in layer:
                raise ValueError(f"weight {name!r} is there twice (rnns.lstm and rnns.lstms)")
            layer[match[2]] = tensor
        elif released := next((prefix for prefix in _OUTSIDE_LAYERS if name.startswith(prefix)), None):
            others[_OUTSIDE_LAYERS[released] + name.removeprefix(released)] = tensor
        else:
            raise ValueError(f"unknown weight {name!r}: not a name of the released MS-RNN code")
    if sorted(layers) != list(range(len(layers))) or not layers:
        raise ValueError(f"the weights have no complete set of layers, only {sorted(layers)} (rnns.lstm.<layer>....)")
    for released, ours in _OUTSIDE_LAYERS.items():
        if ours in ("embed.", "head.") and (f"{ours}weight" not in others or others[f"{ours}weight"].ndim != 4):
            raise ValueError(f"the weights lack {released}weight, or it is not that of a convolution")
    return [layers[layer] for layer in sorted(layers)], others


def _options(
    name: str, layers: list[dict[str, Tensor]], outside: dict[str, Tensor], given: dict[str, Any]
) -> dict[str, Any]:
    """Complete the given options with those that the weights show."""
    model = find_model(name)
    kernels = {tensor.shape[-1] for tensor in layers[0].values() if tensor.ndim == 4}
    shown = {
        "hidden_channels": outside["embed.weight"].shape[0],
        "in_channels": outside["embed.weight"].shape[1],
        "out_channels": outside["head.weight"].shape[0],
        "kernel_size": min((kernel for kernel in kernels if kernel > 1 and kernel % 2), default=1),
        **released_row(model.cell).options(layers[0]),
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


def _layer_weights(
    model: Forecaster, cell: type[Cell], layer: int, released: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of one layer under the names they have here.

    The released code builds every weight in every layer, and only a middle layer uses them all. A weight that a middle
    layer would have and this one has not is unused here, and left out.
    """
    own = cast(Cell, model.pyramid.cells[layer])
    middle = cell.at(Place(1, 3))
    row = released_row(type(own))
    wanted = own.state_dict().keys()
    with torch.device("meta"):
        known = middle(own.channels, own.kernel_size).state_dict().keys()
    for name, tensor in released.items():
        if name.endswith(row.unused):
            continue
        ours = row.name(name)
        try:
            converted = row.tensor(ours, tensor)
        except (ValueError, RuntimeError, IndexError) as error:
            raise ValueError(f"{name!r} in layer {layer} has an unexpected shape {tuple(tensor.shape)}") from error
        if ours in wanted:
            yield ours, converted
        elif released_row(middle).name(name) not in known:
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
