"""Forecasts as GIF and MP4."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from msrnn.atomic import written
from msrnn.errors import SettingsError
from msrnn.plots.colours import GREY, MISSING, RAIN

TILE = 112
"""Edge of a small frame's picture in pixels, at least."""
GAP, MARGIN, HEADER, LEGEND = 6, 74, 26, 84
BACKGROUND, INK, GIVEN, PREDICTED = (18, 18, 22), (230, 230, 230), (110, 110, 120), (255, 150, 40)
FRAME_MS, LAST_MS = 250, 1200


def animate(path: str | Path, rows: dict[str, np.ndarray], context: int, rain: bool = False) -> None:
    """Write an animated GIF, or an MP4, by the suffix: one row of pictures per entry, a column per sequence.

    Args:
        path: the .gif or .mp4 to write.
        rows: label to frames (sequence, time, y, x) in [0, 1], all of the same shape; missing values are grey. The
            first `context` frames are those that were given, and are framed in grey; predictions of the rows after
            the first are framed in orange.
        context: how many frames were given.
        rain: frames are rain rates in mm/h, and get radar colours and a legend.

    Raises:
        SettingsError: an MP4 is wanted and PyAV is not installed.
    """
    images = [_image(rows, context, t, rain) for t in range(next(iter(rows.values())).shape[1])]
    with written(Path(path)) as partial:
        if partial.suffix == ".mp4":
            _encode(partial, images)
            return
        images[0].save(
            partial,
            save_all=True,
            append_images=images[1:],
            duration=[FRAME_MS] * (len(images) - 1) + [LAST_MS],
            loop=0,
        )


def _encode(path: Path, images: list[Image.Image]) -> None:
    try:
        import av
    except ImportError as error:
        raise SettingsError('writing .mp4 needs PyAV: pip install "msrnn[video]", or choose .gif') from error
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000 // FRAME_MS)
        stream.width, stream.height = (edge + edge % 2 for edge in images[0].size)  # the codec wants even edges
        stream.pix_fmt = "yuv420p"
        for image in images:
            even = Image.new("RGB", (stream.width, stream.height), BACKGROUND)
            even.paste(image)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(even), format="rgb24")))
        container.mux(stream.encode())


def _image(rows: dict[str, np.ndarray], context: int, t: int, rain: bool) -> Image.Image:
    count, length, height, width = next(iter(rows.values())).shape
    scale = RAIN if rain else GREY
    zoom = max(1, TILE // max(height, width))
    step_x, step_y = width * zoom + GAP, height * zoom + GAP
    right = MARGIN + count * step_x
    bottom = HEADER + max(len(rows) * step_y, 15 * len(RAIN.legend) if rain else 0)
    image = Image.new("RGB", (right + LEGEND * rain, bottom), BACKGROUND)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=13)
    horizon = length - context
    when = f"given {t + 1} of {context}" if t < context else f"forecast {t - context + 1} of {horizon}"
    draw.text((MARGIN, 6), when, fill=GIVEN if t < context else PREDICTED, font=font)
    for row, (label, frames) in enumerate(rows.items()):
        top = HEADER + row * step_y
        predicted = t >= context and (row > 0 or len(rows) == 1)
        draw.text((6, top + height * zoom // 2 - 8), label, fill=INK, font=font)
        for column in range(count):
            left = MARGIN + column * step_x
            edge = PREDICTED if predicted else GIVEN
            draw.rectangle((left - 2, top - 2, left + width * zoom + 1, top + height * zoom + 1), outline=edge, width=2)
            tile = Image.fromarray(scale.colour(frames[column, t]))
            image.paste(tile.resize((width * zoom, height * zoom), Image.Resampling.NEAREST), (left, top))
    if rain:
        _legend(draw, right + 8, font)
    return image


def _legend(draw: ImageDraw.ImageDraw, left: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
    draw.text((left, HEADER - 20), RAIN.units, fill=INK, font=font)
    for place, (label, colour) in enumerate(reversed(RAIN.legend[1:])):
        top = HEADER + 15 * place
        draw.rectangle((left, top, left + 16, top + 13), fill=colour)
        draw.text((left + 22, top - 1), label, fill=INK, font=font)
    top = HEADER + 15 * (len(RAIN.legend) - 1)
    draw.rectangle((left, top, left + 16, top + 13), fill=MISSING)
    draw.text((left + 22, top - 1), "no data", fill=INK, font=font)
