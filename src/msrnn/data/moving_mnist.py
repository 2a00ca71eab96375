"""Moving digits: handwritten digits bouncing in a frame (Srivastava et al. 2015, https://arxiv.org/abs/1502.04681)."""

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from msrnn.data.digits import load_digits
from msrnn.data.field import Field
from msrnn.data.held_out import HeldOut
from msrnn.data.readers.arrays import load_array
from msrnn.errors import Setting, SettingsError
from msrnn.randomness import generator
from msrnn.settings import FIXED_LENGTH, DataSettings, Split

HELD_OUT_SEED = 0
"""The validation and test sequences are the same for every run."""
SAMPLES = {"train": 10_000, "validation": 500, "test": 1_000}


class MovingMNIST:
    """Moving digits as settings describe them.

    Raises:
        SettingsError: a file or folder is missing or is not what it should be.
    """

    def __init__(self, settings: DataSettings, length: int, seed: int) -> None:
        self.settings = settings
        self.epoch_samples = settings.epoch_samples or SAMPLES["train"]
        self.length = length
        self.seed = seed
        self.field = Field()
        self.notes: list[str] = []
        self.fingerprint = 0
        test_file = settings.digits.test_file
        self.fixed = None if test_file is None else FixedSequences(Path(test_file), length)

    @property
    def stored_settings(self) -> DataSettings:
        """The settings, with the length of an epoch."""
        return replace(self.settings, epoch_samples=self.epoch_samples)

    def training(self, samples: int) -> "MovingDigits":
        """Return `samples` sequences, all different."""
        return self._moving("train", samples, self.seed)

    def held_out(self, split: Split, on_crops: bool = False) -> HeldOut:
        """Return the sequences of a split."""
        if split == "test" and self.fixed is not None:
            return self.fixed
        samples = self.settings.test_samples if split == "test" else self.settings.validation_samples
        seed = self.seed if split == "train" else HELD_OUT_SEED
        return self._moving(split, samples or SAMPLES["test" if split == "test" else "validation"], seed)

    def _moving(self, split: Split, samples: int, seed: int) -> "MovingDigits":
        digits = self.settings.digits
        try:
            pictures = load_digits(digits.folder, split, digits.digit_size)
        except ValueError as error:
            raise SettingsError(Setting("data.digits.folder"), f": {error}") from error
        return MovingDigits(
            pictures,
            samples,
            self.length,
            size=digits.size,
            number=digits.number,
            speed=digits.speed,
            whole_pixels=digits.whole_pixels,
            seed=seed,
            purpose=split,
        )


class FixedSequences(HeldOut):
    """The field's fixed test set of moving digits: a .npy of (20, N, 64, 64), uint8."""

    def __init__(self, path: Path, length: int) -> None:
        frames = load_array(path)
        if frames.ndim != 4 or len(frames) != FIXED_LENGTH or not frames.size or frames.dtype != np.uint8:
            raise SettingsError(
                Setting("data.digits.test_file"),
                f": expected uint8 of shape ({FIXED_LENGTH}, N, 64, 64), "
                f"got {frames.dtype} of shape {frames.shape} in {path}",
            )
        self.frames = frames
        self.length = length

    def __len__(self) -> int:
        return int(self.frames.shape[1])

    @property
    def fingerprint(self) -> int:
        """Number of the first sequences, and of how many there are."""
        return zlib.crc32(np.ascontiguousarray(self.frames[: self.length, :100]).tobytes(), len(self))

    def __getitem__(self, index: int) -> Tensor:
        frames = self.frames[: self.length, index].astype(np.float32) / 255
        return torch.from_numpy(frames).unsqueeze(1)


class MovingDigits(HeldOut):
    """Sequences (time, 1, y, x) in [0, 1], generated on the fly; each is a function of (seed, purpose, index).

    Digits start anywhere, move straight in a random direction by a random `speed` (share of the free range per frame),
    are reflected at the border, and overlap by maximum.

    Args:
        digits: (digit, y, x) float32 in [0, 1].
        samples: how many sequences; any index below it can be asked for, in any order.
        length: frames of a sequence.
        size: height and width of a frame in pixels.
        number: digits in a frame.
        speed: least and greatest speed.
        whole_pixels: digits stand on whole pixels, as in the field's fixed test file; otherwise between them too.
        seed, purpose: what the random draws are keyed with.
    """

    def __init__(
        self,
        digits: np.ndarray,
        samples: int,
        length: int,
        size: tuple[int, int] = (64, 64),
        number: int = 2,
        speed: tuple[float, float] = (0.08, 0.12),
        whole_pixels: bool = True,
        seed: int = 0,
        purpose: str = "train",
    ) -> None:
        self.digits = digits
        self.samples = samples
        self.length = length
        self.size = size
        self.number = number
        self.speed = speed
        self.whole_pixels = whole_pixels
        self.seed = seed
        self.purpose = purpose

    def __len__(self) -> int:
        return self.samples

    @property
    def fingerprint(self) -> int:
        """Number of the digits, and of how they move."""
        told = (self.samples, self.length, self.size, self.number, self.speed, self.whole_pixels, self.seed)
        return zlib.crc32(self.digits.tobytes(), zlib.crc32(repr((*told, self.purpose)).encode()))

    def __getitem__(self, index: int) -> Tensor:
        draw = generator(self.seed, self.purpose, index)
        frames = np.zeros((self.length, *self.size), np.float32)
        free = np.array(self.size) - self.digits.shape[1:]
        for digit in self.digits[draw.integers(len(self.digits), size=self.number)]:
            angle, speed = draw.uniform(0, 2 * np.pi), draw.uniform(*self.speed)
            direction = np.array((np.sin(angle), np.cos(angle)))
            unfolded = draw.random(2) + speed * direction * np.arange(self.length)[:, None]
            path = (1 - np.abs(unfolded % 2 - 1)) * free  # reflection: a triangle wave
            for frame, corner in zip(frames, path.round() if self.whole_pixels else path, strict=True):
                _paste(frame, digit, corner)
        return torch.from_numpy(frames).unsqueeze(1)


def _paste(frame: np.ndarray, digit: np.ndarray, corner: np.ndarray) -> None:
    """Put `digit` into `frame` with its upper left pixel at `corner` (y, x), by maximum, bilinear between pixels."""
    (top, left), (below, right) = corner.astype(int), corner % 1
    if below or right:
        padded = np.pad(digit, ((1, 1), (1, 1)))
        digit = (
            (1 - below) * ((1 - right) * padded[1:, 1:] + right * padded[1:, :-1])
            + below * ((1 - right) * padded[:-1, 1:] + right * padded[:-1, :-1])
        ).astype(np.float32)
    area = frame[top : top + digit.shape[0], left : left + digit.shape[1]]
    np.maximum(area, digit[: area.shape[0], : area.shape[1]], out=area)
