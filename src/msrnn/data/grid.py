"""Resizing by area mean: each new pixel is the mean of what it covers."""

import numpy as np
import torch
import xarray as xr
from torch import Tensor


def overlaps(old: int, new: int) -> Tensor:
    """Return the share of each new pixel that each old one covers, (new, old) float32; rows sum to 1."""
    edges = np.linspace(0, old, new + 1)
    left, right = edges[:-1, None], edges[1:, None]
    covered = np.minimum(right, np.arange(1, old + 1)) - np.maximum(left, np.arange(old))
    return torch.from_numpy(covered.clip(0) * (new / old)).float()


def area_mean(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize frames (..., y, x) to `size`; missing values are left out of the mean.

    A pixel of which less than half is known is missing. Rain is to be given in mm/h.
    """
    if tuple(frames.shape[-2:]) == tuple(size):
        return frames
    rows, columns = (overlaps(old, new).to(frames) for old, new in zip(frames.shape[-2:], size, strict=True))
    missing = frames.isnan()
    if not bool(missing.any()):
        return rows @ frames @ columns.T
    known = rows @ (~missing).to(frames) @ columns.T
    total = rows @ frames.masked_fill(missing, 0) @ columns.T
    return (total / known).masked_fill(known < 0.5, torch.nan)


def resized_coords(sequence: xr.DataArray, size: tuple[int, int]) -> dict[str, xr.Variable]:
    """Return the coordinates, but for time, of a sequence that is resized to (height, width).

    Those along y or x are centres of new pixels that cover the same stretch; what has both axes is left out, unless the
    size is the old one.
    """
    new = dict(zip(("y", "x"), size, strict=True))
    coords = {}
    for name, coord in sequence.coords.items():
        changed = {str(axis) for axis in coord.dims if axis in new and new[str(axis)] != sequence.sizes[axis]}
        if "time" in coord.dims or "time" in str(name):
            continue
        if not changed:
            coords[str(name)] = coord.variable
        elif coord.dims == (name,):
            step = float(coord.diff(name).mean()) if coord.size > 1 else 1.0
            wider = step * coord.size / new[str(name)]
            centres = float(coord[0]) - step / 2 + wider * (np.arange(new[str(name)]) + 0.5)
            coords[str(name)] = xr.Variable(coord.dims, centres, coord.attrs)
    return coords
