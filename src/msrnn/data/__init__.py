"""Data sets: settings in, sequences out."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from msrnn.data.arrays import load_array
from msrnn.data.digits import load_digits
from msrnn.data.moving_mnist import MovingDigits
from msrnn.settings import FIXED_LENGTH, DataSettings, SettingsError, Split

HELD_OUT_SEED = 0
"""The validation and test sequences of generated data are the same for every run."""


def open_split(data: DataSettings, split: Split, length: int, samples: int, seed: int) -> Dataset[Tensor]:
    """The sequences (length, channel, y, x) in [0, 1] of a split. `samples` is how many there are of a generated one.

    Raises:
        SettingsError: a file or folder is missing or is not what it should be.
    """
    if split == "test" and data.test_file is not None:
        return FixedSequences(Path(data.test_file), length)
    try:
        digits = load_digits(data.digits, split, data.digit_size)
    except ValueError as error:
        raise SettingsError(f"data.digits: {error}") from error
    return MovingDigits(
        digits,
        samples,
        length,
        size=data.size,
        number=data.number,
        speed=data.speed,
        whole_pixels=data.whole_pixels,
        seed=seed if split == "train" else HELD_OUT_SEED,
        purpose=split,
    )


class FixedSequences(Dataset[Tensor]):
    """The field's fixed test set of moving digits: a .npy of (20, N, 64, 64), uint8."""

    def __init__(self, path: Path, length: int) -> None:
        try:
            frames = load_array(path)
        except ValueError as error:
            raise SettingsError(f"data.test_file: {error}") from error
        if frames.ndim != 4 or len(frames) != FIXED_LENGTH or not frames.size or frames.dtype != np.uint8:
            raise SettingsError(
                f"data.test_file: expected uint8 of shape ({FIXED_LENGTH}, N, 64, 64), "
                f"got {frames.dtype} of shape {frames.shape} in {path}"
            )
        self.frames = frames
        self.length = length

    def __len__(self) -> int:
        return int(self.frames.shape[1])

    def __getitem__(self, index: int) -> Tensor:
        frames = self.frames[: self.length, index].astype(np.float32) / 255
        return torch.from_numpy(frames).unsqueeze(1)
