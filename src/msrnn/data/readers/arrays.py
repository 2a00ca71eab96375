"""Arrays: NumPy's files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from msrnn.data.readers.base import Header, Reader, Sliced, View, given_units, reading
from msrnn.errors import DataError, Setting

LAYOUTS = {3: "(time, y, x)", 4: "(time, channel, y, x)", 5: "(sequence, time, channel, y, x)"}


def as_sequences(shape: tuple[int, ...]) -> tuple[int, int, int, int, int]:
    """Return `shape` as (sequence, time, channel, y, x).

    Raises:
        ValueError: it has too few or too many axes, or no elements.
    """
    if len(shape) not in LAYOUTS:
        raise ValueError(f"frames must be {', '.join(LAYOUTS.values())}; got shape {shape}")
    if 0 in shape:
        raise ValueError(f"frames are empty: shape {shape}")
    count, time, channels = {3: (1, shape[0], 1), 4: (1, *shape[:2]), 5: shape[:3]}[len(shape)]
    return count, time, channels, shape[-2], shape[-1]


def largest_value(dtype: np.dtype, units: str | None) -> int:
    """Return what frames of a type are divided by to lie in [0, 1]: the greatest uint8 or uint16; else 1.

    Integers with units other than "1" are those units' numbers.
    """
    return int(np.iinfo(dtype).max) if dtype in (np.uint8, np.uint16) and units in (None, "1") else 1


def bytes_held(frames: np.ndarray) -> int:
    """Return the memory of an array; a file that is mapped into memory holds none."""
    mapped = isinstance(frames, np.memmap) or isinstance(frames.base, np.memmap)
    return 0 if mapped else frames.nbytes


def scaled(frames: Any, largest: int) -> Any:
    """Divide frames by `largest`, as float32."""
    return np.asarray(frames, np.float32) / largest if largest != 1 else frames


@dataclass(frozen=True)
class ArrayReader(Reader):
    """.npy and .npz: (time, y, x), (time, channel, y, x) or (sequence, time, channel, y, x).

    Args:
        array: which array of a .npz; not needed where there is one.
        units: of the numbers, e.g. mm/h.
        missing: number that stands for missing, besides NaN.
    """

    name: ClassVar[str] = "array"
    signature: ClassVar[str] = r"\x93NUMPY|PK\x03\x04"
    array: str = ""
    units: str | None = None
    missing: float | None = None

    def headers(self, path: Path) -> list[Header]:
        array = self._load(path)
        count, time, channel, y, x = self._shape(path, array)
        header = Header(
            (time, channel, y, x), units=given_units(self.units), largest=largest_value(array.dtype, self.units)
        )
        return [header] * count

    def frames(self, path: Path) -> list[Sliced]:
        array = self._load(path)
        count, *shape = self._shape(path, array)
        sequences = array.reshape(count, *shape)
        largest = largest_value(array.dtype, self.units)
        if largest == 1 and self.missing is None:
            return list(sequences)

        def view(frames: np.ndarray) -> View:
            def take(key: tuple[Any, ...]) -> np.ndarray:
                values: np.ndarray = scaled(frames[key], largest)
                return values if self.missing is None else np.where(frames[key] == self.missing, np.nan, values)

            return View(frames.shape, take, bytes_held(frames))

        return [view(frames) for frames in sequences]

    def _shape(self, path: Path, array: np.ndarray) -> tuple[int, int, int, int, int]:
        try:
            return as_sequences(array.shape)
        except ValueError as error:
            fix = "write it again, with frames in it" if 0 in array.shape else "reshape the array"
            raise DataError("other shape", path, str(error), fix) from error

    def _load(self, path: Path) -> np.ndarray:
        array = load_array(path, self.array)
        if array.dtype.kind not in "fiub":
            raise DataError("no numbers", path, f"holds {array.dtype}", "numbers are needed")
        return array


def load_array(path: Path, name: str = "") -> np.ndarray:
    """Open the array in a .npy file, read when used; or load the one in a .npz of that name, or the only one.

    Code in a file is never executed.

    Raises:
        DataError: it holds something else.
    """
    with reading(path, ".npy or .npz"), path.open("rb") as file:
        if file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
            return np.lib.format.open_memmap(path, mode="r")
        file.seek(0)
        loaded = np.load(file, allow_pickle=False)
        names = [name] if name in getattr(loaded, "files", []) else getattr(loaded, "files", [])
        if len(names) > 1:
            raise DataError(
                "several arrays",
                path,
                f"holds {len(names)} arrays ({', '.join(names)})",
                ("choose one: ", Setting("data.reader_options.array", names[0])),
            )
        content = loaded[names[0]] if names else None
        if not isinstance(content, np.ndarray):
            raise ValueError("no array in it")
    return content
