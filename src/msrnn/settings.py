"""What a run is made of: dataclasses, checked on construction, for the command line, recipes and run directories.

Nothing here imports torch: `--help` has to be fast.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

Split = Literal["train", "validation", "test"]
FIXED_LENGTH = 20
"""Frames of a sequence in the field's fixed test file."""
Device = Literal["auto", "cpu", "cuda", "mps"]


class SettingsError(ValueError):
    """A user's setting is not possible; the message says which is."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise SettingsError(message)


@dataclass
class ModelSettings:
    """Model"""

    name: str
    """Name of the model, e.g. ms-predrnn; a wrong one lists them all."""
    hidden_channels: int = 64
    """Channels of every recurrent layer."""
    kernel_size: int = 3
    """Edge of the cells' convolutions in pixels, odd."""
    scales: tuple[int, ...] | None = None
    """One per layer: it works at 1/scale of the resolution. Default: what the name says."""
    skips: Literal["none", "mirror", "unet3+", "full"] | None = None
    """Which earlier layers' outputs are added to a layer's input: none, mirror, unet3+ or full. Default: as the name
    says."""
    memory: Literal["keep", "step", "sqrt"] = "keep"
    """What training holds in memory; the rest is computed again."""
    options: dict[str, Any] = field(default_factory=dict)
    """The cell's own options, e.g. --model.options.links 13 for trajgru."""


@dataclass
class DataSettings:
    """Data: moving digits"""

    name: Literal["moving-mnist"] = "moving-mnist"
    """The data set."""
    digits: str | None = None
    """Folder with MNIST's IDX files; without it, the handwritten digits that come with scikit-learn."""
    test_file: str | None = None
    """The field's fixed test set, mnist_test_seq.npy of shape (20, N, 64, 64), in the place of generated sequences."""
    size: tuple[int, int] = (64, 64)
    """Height and width of a frame in pixels."""
    digit_size: int = 28
    """Height and width of a digit in pixels."""
    number: int = 2
    """Digits in a frame."""
    speed: tuple[float, float] = (0.08, 0.12)
    """Least and greatest speed of a digit, as a share of its free range per frame."""
    whole_pixels: bool = True
    """Digits stand on whole pixels, as in the field's test file; false: between them too."""
    epoch_samples: int = 10_000
    """Sequences that make an epoch of training; no sequence comes twice."""
    validation_samples: int = 500
    """Sequences of the validation split."""
    test_samples: int = 1_000
    """Sequences of the test split."""

    def __post_init__(self) -> None:
        _require(
            0 < self.digit_size <= min(self.size),
            f"data.digit_size={self.digit_size} must be between 1 and the frame's edge, {min(self.size)}",
        )
        _require(self.number >= 1, f"data.number={self.number}: at least one digit is needed")
        _require(
            0 <= self.speed[0] <= self.speed[1] <= 1,
            f"data.speed={list(self.speed)} must be two rising numbers between 0 and 1",
        )
        for name in ("epoch_samples", "validation_samples", "test_samples"):
            _require(getattr(self, name) >= 1, f"data.{name}={getattr(self, name)} must be at least 1")


@dataclass
class RunSettings:
    """Training"""

    model: ModelSettings
    data: DataSettings
    context: int = 10
    """Frames that are given."""
    horizon: int = 10
    """Frames that are predicted, in training and validation; predict takes any."""
    epochs: float = 20
    """Length of the training in epochs."""
    batch_size: int = 4
    """Sequences per optimiser step, over all devices."""
    accumulate: int = 1
    """Work through a batch in that many parts: less memory, the same result."""
    loss: Literal["paper", "mse", "balanced", "gdl"] = "paper"
    """paper: squared plus absolute error, summed over pixels; mse: mean squared error; balanced: squared plus absolute
    error weighted by rain rate; gdl: paper plus gradient difference."""
    sampling: Literal["scheduled", "reverse-scheduled"] | None = None
    """How the model comes to see its own output in training, scheduled or reverse-scheduled. Default: as its paper."""
    learning_rate: float = 3e-4
    """Of Adam."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Of the learning rate, over the whole training."""
    warmup: float = 0.0
    """Share of the training in which the learning rate rises from 0."""
    clip: float = 10.0
    """Largest gradient norm, times the pixels of a frame for losses that are sums over pixels: far above ordinary
    ones."""
    patience: int | None = None
    """Stop after so many validations without a better score."""
    precision: Literal["32", "64", "bf16"] = "32"
    """Floating point: 32 or 64 bit, or mixed with bfloat16."""
    device: Device = "auto"
    """Where to train."""
    workers: int = 0
    """Processes that make batches."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        for name in ("context", "horizon", "batch_size", "accumulate"):
            _require(getattr(self, name) >= 1, f"{name}={getattr(self, name)} must be at least 1")
        for name in ("epochs", "learning_rate", "clip"):
            _require(0 < getattr(self, name) < inf, f"{name}={getattr(self, name)} must be positive and finite")
        _require(
            self.batch_size % self.accumulate == 0,
            f"accumulate={self.accumulate} must divide batch_size={self.batch_size}",
        )
        _require(0 <= self.warmup < 1, f"warmup={self.warmup} must be at least 0 and less than 1")
        _require(self.patience is None or self.patience >= 1, f"patience={self.patience} must be at least 1")
        for name in ("workers", "seed"):
            _require(getattr(self, name) >= 0, f"{name}={getattr(self, name)} must not be negative")
        _require(
            self.data.test_file is None or self.length <= FIXED_LENGTH,
            f"context={self.context} and horizon={self.horizon} exceed the {FIXED_LENGTH} frames of data.test_file",
        )

    @property
    def length(self) -> int:
        """Frames of a training sequence."""
        return self.context + self.horizon

    @property
    def steps_per_validation(self) -> int:
        epoch = max(1, self.data.epoch_samples // self.batch_size)
        return max(1, round(self.epochs * epoch) // max(1, round(self.epochs)))

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training: about one validation per epoch, the last at the end."""
        return self.steps_per_validation * max(1, round(self.epochs))
