"""Pictures of handwritten digits: those of scikit-learn, or MNIST's files."""

import gzip
import zlib
from pathlib import Path
from typing import get_args

import numpy as np

from msrnn.randomness import generator
from msrnn.settings import Split

SPLITS = get_args(Split)
_SHARES = (0.8, 0.9)
"""Shares at which a pool of digits is cut into train, validation and test."""


def load_digits(folder: str | None, split: str, size: int) -> np.ndarray:
    """Load the digits of one split, (digit, y, x) float32 in [0, 1], `size` pixels high and wide.

    Without a folder they are the 1,797 digits of `sklearn.datasets.load_digits` (8x8, from the UCI archive). A folder
    holds MNIST's IDX files, gzipped or not: where both are there, the first 55,000 training digits are for training,
    the other 5,000 for validation and the `t10k` digits for test; one file alone is divided into 80, 10 and 10 %.

    Raises:
        ValueError: the folder has no digits, or a file is not what its name says.
    """
    if folder is None:
        pools = _divide(_from_sklearn())
    else:
        if not Path(folder).is_dir():
            raise ValueError(f"there is no folder {folder}")
        files = {part: _find(Path(folder), part) for part in ("train", "t10k")}
        found = {part: _read_idx(path) for part, path in files.items() if path}
        if not found:
            raise ValueError(f"no MNIST digits in {folder}: expected train-images-idx3-ubyte or t10k-... (.gz or not)")
        if len(found) == 2:
            pools = [found["train"][:55_000], found["train"][55_000:], found["t10k"]]
        else:
            pools = _divide(*found.values())
    pool = pools[SPLITS.index(split)]
    if not len(pool):
        raise ValueError(f"the digits in {folder} are too few to be divided into training, validation and test")
    return _resize(pool, size)


def _divide(digits: np.ndarray) -> list[np.ndarray]:
    shuffled = digits[generator(0, "digits").permutation(len(digits))]
    return np.split(shuffled, [int(share * len(digits)) for share in _SHARES])


def _from_sklearn() -> np.ndarray:
    from sklearn import datasets

    pictures: np.ndarray = datasets.load_digits().images
    return (pictures / 16).astype(np.float32)


def _find(folder: Path, part: str) -> Path | None:
    names = [f"{part}-images{separator}idx3-ubyte{ending}" for separator in "-." for ending in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_idx(path: Path) -> np.ndarray:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be unpacked ({error}): fetch it again") from error
    magic, count, height, width = np.frombuffer(content[:16].ljust(16, b"\0"), ">u4").tolist()
    pixels = np.frombuffer(content[16:], np.uint8)
    if magic != 0x803 or pixels.size != count * height * width:
        raise ValueError(f"{path} is not a complete IDX file of pictures: fetch it again")
    return pixels.reshape(count, height, width).astype(np.float32) / 255


def _resize(digits: np.ndarray, size: int) -> np.ndarray:
    """Resample smoothly, by a cubic spline; pixel centres stay evenly apart."""
    from scipy import ndimage

    if digits.shape[1:] == (size, size):
        return digits
    factor = (1, size / digits.shape[1], size / digits.shape[2])
    resized: np.ndarray = ndimage.zoom(digits, factor, order=3, mode="grid-constant", grid_mode=True)
    return resized.clip(0, 1)
