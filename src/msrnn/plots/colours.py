"""Numbers as colours, the same ones in animations, figures and reports."""

from dataclasses import dataclass, field

import numpy as np

Colour = tuple[int, int, int]
DRY: Colour = (0, 0, 0)
MISSING: Colour = (70, 56, 92)
COLD: Colour = (70, 140, 255)
WARM: Colour = (255, 110, 50)


@dataclass(frozen=True)
class ColourScale:
    """Classes of numbers, a colour for each."""

    units: str
    bounds: np.ndarray = field(repr=False)
    """Rising: class k begins at the bound before it."""
    colours: tuple[Colour, ...]
    """Colours of the `len(bounds)` + 1 classes."""
    legend: tuple[tuple[str, Colour], ...]
    """Labels and colours, from the smallest numbers to the largest."""

    def classes(self, frames: np.ndarray) -> np.ndarray:
        """The class of each number, uint8; of a missing one, that after the last."""
        classes = np.digitize(np.nan_to_num(frames), self.bounds)  # the missing get their own below
        return np.where(np.isnan(frames), len(self.colours), classes).astype(np.uint8)

    @property
    def palette(self) -> np.ndarray:
        """(class, 3) uint8, the missing last."""
        return np.array((*self.colours, MISSING), np.uint8)

    def colour(self, frames: np.ndarray) -> np.ndarray:
        """Paint a picture (y, x) as (y, x, 3)."""
        pixels: np.ndarray = self.palette[self.classes(frames)]
        return pixels


def _between(colours: tuple[Colour, ...], count: int) -> tuple[Colour, ...]:
    """Interpolate `count` colours evenly from the first to the last."""
    places = np.linspace(0, len(colours) - 1, count)
    channels = [np.interp(places, np.arange(len(colours)), [colour[c] for colour in colours]) for c in range(3)]
    return tuple((int(r), int(g), int(b)) for r, g, b in np.round(np.stack(channels, axis=1)))


def _steps(units: str, bounds: tuple[float, ...], colours: tuple[Colour, ...], labels: tuple[str, ...]) -> ColourScale:
    return ColourScale(units, np.array(bounds), colours, tuple(zip(labels, colours, strict=True)))


def _shades(
    units: str, low: float, high: float, colours: tuple[Colour, ...], count: int, power: int = 1
) -> ColourScale:
    """Make `count` classes of equal width or, with a higher power, finer near 0."""

    def bent(places: np.ndarray) -> np.ndarray:
        curved: np.ndarray = np.sign(places) * np.abs(places) ** power
        return curved

    shades = _between(colours, count)
    bounds = bent(np.linspace(low, high, 2 * count - 1)[1::2])  # halfway between the colours' own numbers
    marks = np.linspace(0, count - 1, 5).round().astype(int)
    numbers = bent(np.linspace(low, high, 5))
    return ColourScale(
        units, bounds, shades, tuple((f"{n:g}", shades[mark]) for n, mark in zip(numbers, marks, strict=True))
    )


GREY = _shades("", 0, 1, ((0, 0, 0), (255, 255, 255)), 255)
DIFFERENCE = _shades("forecast - truth", -1, 1, (COLD, DRY, WARM), 65, power=2)
RAIN = _steps(
    "mm/h",
    (0.1, 0.5, 1, 2, 5, 10, 20, 30, 50, 100),
    (DRY, (150, 200, 235), (90, 160, 230), (40, 110, 220), (20, 150, 90), (120, 195, 50), (245, 225, 60),
     (245, 150, 40), (225, 60, 40), (170, 30, 110), (240, 150, 245)),
    ("dry", "0.1", "0.5", "1", "2", "5", "10", "20", "30", "50", "100"),
)  # fmt: skip
"""Radar colours; a label is the rain rate from which on its colour stands."""
RAIN_DIFFERENCE = _steps(
    "forecast - truth, mm/h",
    (-20, -10, -5, -2, -1, -0.5, 0.5, 1, 2, 5, 10, 20),
    _between((COLD, DRY, WARM), 13),
    ("< -20", "-20", "-10", "-5", "-2", "-1", "0", "0.5", "1", "2", "5", "10", "20"),
)
