"""Random draws that depend on nothing but what they are for."""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """A generator that is a function of (seed, purpose, indices), e.g. of the step and the global sample index.

    No draw depends on what was drawn before it: rank, worker and resume never matter.
    """
    return np.random.default_rng((seed, zlib.crc32(purpose.encode()), len(indices), *indices))
