"""Pictures of forecasts."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from msrnn.files import written

TILE = 112
"""Edge of a small frame's picture in pixels, at least."""
GAP, MARGIN, HEADER = 6, 74, 26
BACKGROUND, INK, GIVEN, PREDICTED = (18, 18, 22), (230, 230, 230), (110, 110, 120), (255, 150, 40)
FRAME_MS, LAST_MS = 250, 1200


def animate(path: str | Path, rows: dict[str, np.ndarray], context: int) -> None:
    """Write an animated GIF: one row of pictures per entry, a column per sequence.

    Args:
        path: the .gif to write.
        rows: label to frames (sequence, time, y, x) in [0, 1], all of the same shape. The first `context` frames are
            those that were given, and are framed in grey; predictions of the rows after the first are framed in orange.
        context: how many frames were given.
    """
    images = [_image(rows, context, t) for t in range(next(iter(rows.values())).shape[1])]
    with written(Path(path)) as partial:
        images[0].save(
            partial,
            save_all=True,
            append_images=images[1:],
            duration=[FRAME_MS] * (len(images) - 1) + [LAST_MS],
            loop=0,
        )


def _image(rows: dict[str, np.ndarray], context: int, t: int) -> Image.Image:
    count, length, height, width = next(iter(rows.values())).shape
    zoom = max(1, TILE // max(height, width))
    step_x, step_y = width * zoom + GAP, height * zoom + GAP
    image = Image.new("RGB", (MARGIN + count * step_x, HEADER + len(rows) * step_y), BACKGROUND)
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
            pixels = (255 * frames[column, t].clip(0, 1)).round().astype(np.uint8)
            tile = Image.fromarray(pixels).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
            image.paste(tile, (left, top))
    return image
