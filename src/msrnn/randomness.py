"""Random draws that depend on their purpose only, not on earlier draws."""

import zlib
from functools import lru_cache

import numpy as np


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Return a generator that is a function of (seed, purpose, indices), e.g. of the step and the global sample index.

    No draw depends on earlier draws: rank, worker and resuming never matter.
    """
    return np.random.default_rng((seed, zlib.crc32(purpose.encode()), len(indices), *indices))


@lru_cache(maxsize=2)
def shuffled(seed: int, epoch: int, count: int) -> np.ndarray:
    """Return 0 to `count` - 1 in the random order of an epoch."""
    return generator(seed, "order", epoch).permutation(count)
