"""Intervals of scores: the Poisson bootstrap, whose resamples are sums like the scores themselves.

Each block of sequences is in a resample as often as a Poisson draw with mean 1 says (Chamandy et al. 2012, "Estimating
uncertainty for massive data streams"). Draws are keyed by the block: they do not depend on batches or processes, and
two models that are scored on the same sequences see the same resamples, also in different evaluations.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from msrnn.randomness import generator

RESAMPLES = 1000
LEVEL = 0.95
LEAST_BLOCKS = 10
"""Fewest blocks for an interval; with fewer it would be too narrow."""
SEED = 0


def block_weights(blocks: Sequence[int], resamples: int = RESAMPLES) -> Tensor:
    """Draw how often each resample holds each of these blocks, (block, resample) float64."""
    draws = [generator(SEED, "bootstrap", block % 2**64).poisson(1, resamples) for block in blocks]
    return torch.from_numpy(np.array(draws, np.float64).reshape(len(draws), resamples))


def interval(resampled: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
    """Bound the middle 95 % of resamples (resample, ...): low and high, (...); NaN for too few blocks."""
    if blocks < LEAST_BLOCKS:
        nothing = torch.full(resampled.shape[1:], torch.nan, dtype=resampled.dtype)
        return nothing, nothing
    low, high = resampled.nanquantile(resampled.new_tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2]), dim=0)
    return low, high
