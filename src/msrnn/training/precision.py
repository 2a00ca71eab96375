"""Choice of the precision in which a model trains faster: float32, or mixed with bfloat16."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from msrnn.device import autocast, has_fast_bfloat16, set_memory_format
from msrnn.nn.forecaster import Forecaster
from msrnn.nn.models import build_model
from msrnn.settings import ModelSettings, Precision

LARGEST = 64
"""Largest edge, in pixels, of the frames that are timed."""
FRAMES = 4
ROUNDS = 5
WORTHWHILE = 1.2
"""Bfloat16 is chosen if it is at least this many times as fast."""


def choose_precision(
    model: ModelSettings, frame: Sequence[int], batch: int, device: torch.device, processes: int = 1
) -> tuple[Precision, str]:
    """Return "bf16" if a model trains faster with it on a device, else "32", and a line that says why.

    A few training steps on small frames are timed where the device has fast bfloat16. Several processes must agree:
    they take bfloat16 where the device has it, and time nothing.

    Args:
        model: the model.
        frame: (channel, y, x) of a frame that it is to train on.
        batch: sequences at a time.
        device: where.
        processes: how many train together.

    Raises:
        SettingsError: the model cannot be built.
    """
    if not has_fast_bfloat16(device):
        return "32", f"precision auto: 32; {device} has no fast bfloat16"
    if processes > 1:
        return "bf16", f"precision auto: bf16; {device} has fast bfloat16"
    ratio = _times_as_fast(model, frame, batch, device)
    chosen: Precision = "bf16" if ratio >= WORTHWHILE else "32"
    enough = "" if chosen == "bf16" else f", {WORTHWHILE:g} would be enough"
    return chosen, f"precision auto: {chosen}; bf16 is {ratio:.2f} times as fast as 32 here{enough}"


def _times_as_fast(model: ModelSettings, frame: Sequence[int], batch: int, device: torch.device) -> float:
    """Divide the time of a training step in float32 by that with bfloat16, a median of ratios."""
    channels, *size = frame
    with torch.random.fork_rng():
        known = replace(model, memory="step") if model.memory == "auto" else model
        forecaster = build_model(known, channels)
        frames = torch.rand(batch, FRAMES, channels, *(min(edge, LARGEST) for edge in size), device=device)
    set_memory_format(forecaster.to(device), device)
    ratios = []
    for _ in range(ROUNDS):
        full, half = (_seconds(forecaster, frames, precision) for precision in ("32", "bf16"))
        ratios.append(full / half)
    return statistics.median(ratios[1:])  # the first are those of warming up


def _seconds(model: Forecaster, frames: torch.Tensor, precision: Precision) -> float:
    began = time.perf_counter()
    with autocast(precision, frames.device.type):
        predictions, auxiliary = model(frames, context=FRAMES // 2)
    loss: torch.Tensor = predictions.square().mean() + auxiliary
    loss.backward()
    if frames.device.type != "cpu":
        torch.accelerator.synchronize(frames.device)
    return time.perf_counter() - began
