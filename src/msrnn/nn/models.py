"""The table of model names, and the function that builds a model."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from msrnn.errors import SettingsError
from msrnn.nn.cells import CELLS, Cell
from msrnn.nn.forecaster import Forecaster
from msrnn.settings import ModelSettings


def mirrored_scales(depth: int) -> tuple[int, ...]:
    """Return the scales of a mirrored pyramid, e.g. (1, 2, 4, 4, 2, 1) for six layers."""
    return tuple(2 ** min(layer, depth - 1 - layer, 2) for layer in range(depth))


PLAIN = (1, 1, 1, 1, 1, 1)
PYRAMID = mirrored_scales(6)


@dataclass(frozen=True)
class Model:
    """Meaning of a model name: a cell, and the defaults of scales and skips."""

    cell: type[Cell]
    scales: tuple[int, ...]
    skips: str


def _models() -> dict[str, Model]:
    names = sorted(CELLS)
    plain = {name: Model(CELLS[name], PLAIN, "none") for name in names}
    multi_scale = {CELLS[name].ms_name or f"ms-{name}": Model(CELLS[name], PYRAMID, "mirror") for name in names}
    return plain | dict(sorted(multi_scale.items()))


MODELS = _models()
"""All models by name."""


def list_models() -> list[str]:
    """List all model names: the plain stacks, then the same cells in the multi-scale pyramid (`ms-...`)."""
    return list(MODELS)


def find_model(name: str | type[Cell]) -> Model:
    """Look up a model by its name, or describe the model of a cell class of one's own.

    Raises:
        ValueError: there is no such model; the message lists them.
        TypeError: neither a name nor a subclass of `msrnn.Cell`.
    """
    if isinstance(name, str):
        if name not in MODELS:
            raise ValueError(f"no model {name!r}; choose from {', '.join(MODELS)}")
        return MODELS[name]
    if isinstance(name, type) and issubclass(name, Cell):
        return Model(name, PLAIN, "mirror")
    raise TypeError(f"model must be a name or a subclass of msrnn.Cell, got {name!r}")


def counterpart(name: str) -> str:
    """Return the name of the plain stack of a multi-scale model's cell, or the other way round."""
    return next(other for other, model in MODELS.items() if model.cell is MODELS[name].cell and other != name)


def _options(cell: type[Cell]) -> list[str]:
    """Return the names of the cell's own options."""
    return [name for name in inspect.signature(cell).parameters if name not in ("channels", "kernel_size")]


def create_model(
    name: str | type[Cell],
    in_channels: int = 1,
    out_channels: int | None = None,
    hidden_channels: int = 64,
    kernel_size: int = 3,
    scales: Sequence[int] | None = None,
    skips: str | None = None,
    memory: str = "keep",
    half_state: bool = True,
    patch: int = 1,
    **cell_options: Any,
) -> Forecaster:
    """Build a model (MS-RNN, https://arxiv.org/abs/2206.03010).

    Args:
        name: one of `list_models()`, or a subclass of `msrnn.Cell`.
        in_channels: channels of a frame.
        out_channels: channels of a prediction, which are the first input channels; all by default.
        hidden_channels: channels of every recurrent layer.
        kernel_size: edge of the cells' convolutions in pixels, odd.
        scales: one per layer; a layer works at 1/scale of the resolution (that of patches). Neighbours are equal or
            differ by a factor of 2. By default six layers, (1, 1, 1, 1, 1, 1) or, for `ms-`, (1, 2, 4, 4, 2, 1).
        skips: which earlier layers' outputs are added to a layer's input: "none", "mirror", "unet3+" or "full".
        memory: the memory mode of training: "keep" all activations, or only the state of each "step" or of about
            "sqrt"(T) steps, and compute the rest again. Results are the same; it can be changed on the model.
        half_state: True to carry states from step to step in bfloat16 too, under autocast; False to carry them as
            precisely as the weights, which takes twice the bytes.
        patch: edge in pixels of the patches that the network works on, 1 (the paper's), 2, 4 or 8. A patch of P
            divides the work by about P^2.
        **cell_options: TrajGRU: `links` (10); PrecipLSTM: `window` (30).

    Raises:
        ValueError: an unknown name or option, or an impossible value; the message says what is possible.
        TypeError: `name` is neither a name nor a subclass of `msrnn.Cell`.
    """
    model = find_model(name)
    known = _options(model.cell)
    if unknown := [option for option in cell_options if option not in known]:
        label = name if isinstance(name, str) else name.__name__
        raise ValueError(f"no option {', '.join(unknown)} for {label}; it has {', '.join(known) or 'none of its own'}")
    for option, value in cell_options.items():
        whole = inspect.signature(model.cell).parameters[option].annotation in (int, "int")
        if whole and (isinstance(value, bool) or not isinstance(value, Integral)):
            raise ValueError(f"{option} must be a whole number, got {value!r}")
    return Forecaster(
        model.cell,
        in_channels=in_channels,
        out_channels=in_channels if out_channels is None else out_channels,
        hidden_channels=hidden_channels,
        kernel_size=kernel_size,
        scales=model.scales if scales is None else scales,
        skips=model.skips if skips is None else skips,
        memory=memory,
        half_state=half_state,
        patch=patch,
        **cell_options,
    )


def build_model(settings: ModelSettings, channels: int) -> Forecaster:
    """Build the model that settings describe, for frames of `channels` channels.

    Raises:
        SettingsError: the name, an option or a value is impossible.
    """
    try:
        return create_model(
            settings.name,
            in_channels=channels,
            hidden_channels=settings.hidden_channels,
            kernel_size=settings.kernel_size,
            scales=settings.scales,
            skips=settings.skips,
            memory=settings.memory,
            half_state=settings.half_state,
            patch=settings.patch,
            **settings.options,
        )
    except (ValueError, TypeError) as error:
        raise SettingsError(f"model: {error}") from error
