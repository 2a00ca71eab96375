import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from helpers.models import frames, gradient
from msrnn.nn.ops.attention import attend, attend_backward, local_attention


def unfolded(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """The definition: every offset's key and value copied out, zero outside the frame."""
    batch, channels, height, width = query.shape
    before, after = window // 2, window - 1 - window // 2

    def windows(x: Tensor) -> Tensor:
        padded = functional.pad(x, (before, after, before, after))
        return functional.unfold(padded, window).reshape(batch, channels, window**2, height * width)

    logits = torch.einsum("bcp,bcwp->bwp", query.flatten(2), windows(key))
    return torch.einsum("bwp,bcwp->bcp", logits.softmax(dim=1), windows(value)).reshape(query.shape)


@pytest.mark.parametrize("window", [1, 2, 3, 6, 30])
@pytest.mark.parametrize("size", [(5, 5), (1, 1), (3, 20), (33, 18)])
def test_is_the_definition_forward_and_backward(size: tuple[int, int], window: int) -> None:
    q, k, v = (2 * frames(2, 4, *size, seed=seed, dtype=torch.float64) - 1 for seed in range(3))
    results = []
    for function in (local_attention, unfolded):
        inputs = [x.clone().requires_grad_() for x in (q, k, v)]
        result = function(inputs[0], inputs[1], inputs[2], window)
        (result * frames(*result.shape, seed=9, dtype=torch.float64)).sum().backward()
        results.append((result.detach(), *(x.grad for x in inputs)))
    torch.testing.assert_close(*results)


def test_large_logits_do_not_overflow() -> None:
    q = k = 100 * frames(1, 8, 6, 6)
    assert local_attention(q, k, frames(1, 8, 6, 6), 3).isfinite().all()


def test_bfloat16() -> None:
    """Logits in the tens: in bfloat16 they would be off by a tenth."""
    q, k, v = (5 * frames(1, 16, 9, 9, seed=seed) - 2 for seed in range(3))
    q, k, v = (x.bfloat16().requires_grad_() for x in (q, k, v))
    with torch.autocast("cpu", torch.bfloat16):
        result = local_attention(q, k, v, 4)
    result.sum().backward()
    assert result.dtype == gradient(q).dtype == torch.bfloat16
    expected = local_attention(q.detach().double(), k.detach().double(), v.detach().double(), 4)
    torch.testing.assert_close(result.double(), expected, rtol=0.01, atol=0.01)


TRAINING_STEP = """
import resource, sys, torch, msrnn
model = msrnn.create_model("ms-preciplstm", window=int(sys.argv[1]))
predictions, _ = model(torch.rand(1, 20, 1, 64, 64), context=10)
predictions.square().sum().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_peak_memory_does_not_depend_on_the_window() -> None:
    """A full training step, hidden 64: under 8 GB, and within 5 % from window 10 to window 30."""
    peaks = []
    for window in (10, 30):
        command = [sys.executable, "-c", TRAINING_STEP, str(window)]
        peaks.append(1024 * int(subprocess.run(command, capture_output=True, check=True, text=True).stdout))
    assert peaks[1] < 8e9
    assert peaks[1] < 1.05 * peaks[0]


def test_flops_are_those_of_its_products_of_matrices() -> None:
    query, key, value = (frames(2, 3, 20, 35, seed=seed) for seed in range(3))
    with FlopCounterMode(display=False) as plain:
        result, log_sum = attend(query, key, value, 7)
    with FlopCounterMode(display=False) as counted:
        local_attention(query, key, value, 7)
    assert counted.get_total_flops() == plain.get_total_flops() > 0
    with FlopCounterMode(display=False) as plain:
        attend_backward(result, query, key, value, result, log_sum, 7)
    with FlopCounterMode(display=False) as counted:
        torch.ops.msrnn.local_attention_backward(result, query, key, value, result, log_sum, 7)
    assert counted.get_total_flops() == plain.get_total_flops() > 0
