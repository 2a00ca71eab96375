"""Frames that a model sees while it trains: the truth, or its own output.

A schedule is a function of training progress (0 at the start, 1 at the end), context and length T of a sequence, and
gives for each of its T - 1 steps, as an array (T - 1,), the probability that the true frame is fed. Column 0 is always
fed: there is no output before it.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from msrnn.randomness import generator


def scheduled(progress: float, context: int, length: int) -> np.ndarray:
    """Feed truth in the context; after it with a probability that falls linearly from 1 to 0 (Bengio et al. 2015)."""
    return _probabilities(1.0, 1.0 - progress, context, length)


def reverse_scheduled(progress: float, context: int, length: int) -> np.ndarray:
    """Feed truth in the context with a probability rising from 1/2 to 1, after it with one falling from 1/2 to 0.

    Wang et al. 2022, https://arxiv.org/abs/2103.09504, section 3.4, in thirds of the training.
    """
    if progress < 1 / 3:
        return _probabilities(0.5, 0.5, context, length)
    if progress < 2 / 3:
        since = progress - 1 / 3
        return _probabilities(1 - 0.5 * math.exp(-15 * since), 0.5 - 1.5 * since, context, length)
    return _probabilities(1.0, 0.0, context, length)


def _probabilities(in_context: float, afterwards: float, context: int, length: int) -> np.ndarray:
    probabilities = np.where(np.arange(length - 1) < context, in_context, afterwards)
    probabilities[0] = 1.0
    return probabilities


SCHEDULES = {"scheduled": scheduled, "reverse-scheduled": reverse_scheduled}
"""Schedules by the name that cells and settings use."""


def draw_mask(probabilities: np.ndarray, seed: int, step: int, samples: Sequence[int]) -> Tensor:
    """Draw the `truth_mask`, (len(samples), T - 1) bool, of these samples, given the probabilities (T - 1,)."""
    draws = [generator(seed, "sampling", step, sample).random(len(probabilities)) for sample in samples]
    return torch.from_numpy(np.stack(draws) < probabilities)
