"""Video."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from msrnn.data.readers.arrays import largest_value, scaled
from msrnn.data.readers.base import Header, Reader, Sliced, View, given_units, reading
from msrnn.errors import DataError


@dataclass(frozen=True)
class VideoReader(Reader):
    """Video that ffmpeg decodes, through PyAV; in [0, 1]. Each file is a sequence of its own.

    Args:
        colour: "grey", or "rgb" for three channels.
        units: of the pixels' numbers; by default they are scaled to [0, 1].
    """

    name: ClassVar[str] = "video"
    signature: ClassVar[str] = r"RIFF....AVI |....ftyp|\x1a\x45\xdf\xa3|\x00\x00\x01[\xba\xb3]|FLV|OggS"
    colour: str = "grey"
    units: str | None = None

    def headers(self, path: Path) -> list[Header]:
        pixels = self._decode(path)
        channels = 3 if self.colour == "rgb" else 1
        largest = largest_value(pixels.dtype, self.units)
        return [Header((len(pixels), channels, *pixels.shape[1:3]), units=given_units(self.units), largest=largest)]

    def frames(self, path: Path) -> list[Sliced]:
        pixels = self._decode(path)  # uint8: a quarter of float32
        frames = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
        largest = largest_value(pixels.dtype, self.units)
        return [View(frames.shape, lambda key: scaled(frames[key], largest), frames.nbytes)]

    def _decode(self, path: Path) -> np.ndarray:
        """Decode a file to uint8, (time, y, x) or (time, y, x, 3)."""
        try:
            import av
        except ImportError as error:
            reason = "reading video needs PyAV"
            raise DataError("PyAV is missing", path, reason, 'pip install "msrnn[video]"') from error
        with reading(path, "video"):
            try:
                with av.open(str(path)) as container:
                    form = "rgb24" if self.colour == "rgb" else "gray"
                    pixels = np.stack([frame.to_ndarray(format=form) for frame in container.decode(video=0)])
                    _check_length(container, len(pixels))
                    return pixels
            except av.FFmpegError as error:
                raise ValueError(str(error)) from error


def _check_length(container: Any, frames: int) -> None:
    """Raise a `ValueError`, if a video says that it has more frames than can be decoded."""
    stream = container.streams.video[0]
    said = stream.frames
    if not said and container.duration and stream.average_rate:
        said = round(container.duration / 1e6 * stream.average_rate)
    if frames < 0.99 * said - 1:
        raise ValueError(f"{frames} of {said} frames can be decoded")
