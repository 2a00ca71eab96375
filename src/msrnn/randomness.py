"""Random draws that depend on their purpose only, not on earlier draws."""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Return a generator that is a function of (seed, purpose, indices), e.g. of the step and the global sample index.

    No draw depends on earlier draws: rank, worker and resuming never matter.
    """
    return np.random.default_rng((seed, zlib.crc32(purpose.encode()), len(indices), *indices))
