"""Random draws that depend on their purpose only, not on earlier draws."""

import zlib
from functools import lru_cache

import numpy as np


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Return a generator that is a function of (seed, purpose, indices), e.g. of the step and the global sample index.

    No draw depends on earlier draws: rank, worker and resuming never matter.
    """
    return np.random.default_rng((seed, zlib.crc32(purpose.encode()), len(indices), *indices))


def shuffled(seed: int, number: int, count: int) -> int:
    """Return which of `count` sequences comes as `number`: each comes once an epoch, in a new random order."""
    epoch, place = divmod(number, count)
    return int(_order(seed, epoch, count)[place])


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return generator(seed, "order", epoch).permutation(count)
