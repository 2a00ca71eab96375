import pytest
import torch

from helpers.models import frames
from msrnn.analysis.counting import Meter
from msrnn.nn.ops.warp import warp


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 1), (1, 6)])
def test_zero_flow_is_the_identity(size: tuple[int, int]) -> None:
    x = frames(2, 3, *size, dtype=torch.float64)
    warped = warp(x, torch.zeros(2, 4, *size, dtype=torch.float64))
    torch.testing.assert_close(warped, x.repeat_interleave(2, dim=1))


def test_whole_pixels_shift_and_outside_is_zero() -> None:
    x = frames(1, 2, 6, 7, dtype=torch.float64)
    flows = torch.zeros(1, 4, 6, 7, dtype=torch.float64)
    flows[:, 0], flows[:, 1] = 2, 0  # flow 0: two pixels along x
    flows[:, 2], flows[:, 3] = 0, -1  # flow 1: one pixel back along y
    along_x, along_y = warp(x, flows).reshape(1, 2, 2, 6, 7).unbind(dim=2)
    torch.testing.assert_close(along_x[..., :-2], x[..., 2:])
    torch.testing.assert_close(along_x[..., -2:], torch.zeros_like(x[..., -2:]))
    torch.testing.assert_close(along_y[..., 1:, :], x[..., :-1, :])
    torch.testing.assert_close(along_y[..., 0, :], torch.zeros_like(x[..., 0, :]))


def test_between_pixels_is_bilinear() -> None:
    x = frames(1, 1, 5, 5, dtype=torch.float64)
    flows = torch.full((1, 2, 5, 5), 0.25, dtype=torch.float64)
    a, b, c, d = x[0, 0, 2, 2], x[0, 0, 2, 3], x[0, 0, 3, 2], x[0, 0, 3, 3]
    expected = 0.75 * (0.75 * a + 0.25 * b) + 0.25 * (0.75 * c + 0.25 * d)
    torch.testing.assert_close(warp(x, flows)[0, 0, 2, 2], expected)


def test_positions_are_exact_in_bfloat16() -> None:
    x = frames(1, 1, 4, 300).bfloat16()
    warped = warp(x, torch.zeros(1, 2, 4, 300, dtype=torch.bfloat16))
    torch.testing.assert_close(warped, x)


@pytest.mark.parametrize("channels", [1, 3, 16])  # so many that they go in one group, and in several
def test_gradients_are_those_of_the_samples(channels: int) -> None:
    x = frames(2, channels, 4, 5, dtype=torch.float64).requires_grad_()
    flows = frames(2, 6, 4, 5, seed=1, dtype=torch.float64).mul(4).sub(2).requires_grad_()
    assert torch.autograd.gradcheck(warp, (x, flows))


def test_keeps_nothing_but_its_result() -> None:
    x, flows = frames(2, 16, 6, 7).requires_grad_(), frames(2, 4, 6, 7).requires_grad_()
    with Meter() as meter:
        warped = warp(x, flows)
    assert meter.alive == warped.nbytes
