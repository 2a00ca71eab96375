"""Pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from msrnn.data.readers.base import GZIP_MAGIC, Header, Reader, Sliced, given_units, reading, unpacked
from msrnn.data.readers.timestamps import nanoseconds, time_in_name
from msrnn.errors import DataError, Setting


@dataclass(frozen=True)
class ImageReader(Reader):
    """Pictures, one frame each, or animated ones: PNG, GIF, TIFF, PGM, JPEG, gzipped or not; in [0, 1].

    Args:
        pattern: of the time in the name, e.g. %Y%m%d_%H%M; by default a stamp of date and time is looked for.
        colour: "grey", or "rgb" for three channels.
        units: of the pixels' numbers; by default they are scaled to [0, 1].
    """

    name: ClassVar[str] = "images"
    signature: ClassVar[str] = r"\x89PNG|GIF8|II\*\x00|MM\x00\*|P[256]\s|\xff\xd8\xff"
    pattern: str = ""
    colour: str = "grey"
    units: str | None = None

    def headers(self, path: Path) -> list[Header]:
        with reading(path, "a picture"), _picture(path) as image:
            count = getattr(image, "n_frames", 1)
            shape = (count, 3 if self.colour == "rgb" else 1, image.height, image.width)
            largest = self._largest(image)
            if not image.height * image.width:
                raise ValueError("it has no pixels")
        time = _time_of_one(path, self.pattern) if count == 1 else None
        return [Header(shape, None if time is None else nanoseconds([time]), given_units(self.units), largest)]

    def frames(self, path: Path) -> list[Sliced]:
        with _picture(path) as image:
            frames = []
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                frames.append(self._pixels(image))
        return [np.stack(frames)]

    def _pixels(self, image: Image.Image) -> np.ndarray:
        """Return the pixels (channel, y, x) in [0, 1]."""
        if self.colour == "rgb" or image.mode in ("P", "RGB", "RGBA", "CMYK", "YCbCr", "LA", "PA", "1"):
            image = image.convert("RGB" if self.colour == "rgb" else "L")
        pixels = np.asarray(image, np.float32) / self._largest(image)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    def _largest(self, image: Image.Image) -> int:
        if self.units not in (None, "1") or image.mode == "F":
            return 1
        return 65535 if image.mode.startswith("I") else 255


def _picture(path: Path) -> Image.Image:
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
    if packed:
        import io

        return Image.open(io.BytesIO(unpacked(path)))
    return Image.open(path)


def _time_of_one(path: Path, pattern: str) -> np.datetime64 | None:
    """Find the time in a picture's name; without a pattern, numbers of fewer than twelve digits only count them."""
    if pattern:
        time = time_in_name(path.name, pattern)
        if time is None:
            reason = f"its name has no time like {pattern}"
            raise DataError("no time", path, reason, ("name another ", Setting("data.reader_options.pattern")))
        return time
    return time_in_name(path.name) if sum(letter.isdigit() for letter in path.name) >= 12 else None
