import pytest
import torch
from torch import Tensor, nn

from helpers.models import frames, gradient
from msrnn.analysis.counting import Meter
from msrnn.nn.ops.convolution import convolve


def terms(
    dtype: torch.dtype = torch.float64, bias: bool = True
) -> tuple[tuple[nn.Conv2d, Tensor, Tensor], tuple[nn.Conv2d, Tensor]]:
    """Two convolutions with together three inputs."""
    torch.manual_seed(0)
    a, b = nn.Conv2d(5, 4, 3, padding=1, bias=bias), nn.Conv2d(2, 4, 3, padding=1, bias=bias)
    x, y, z = (frames(2, c, 6, 7, seed=c, dtype=dtype).requires_grad_() for c in (3, 2, 4))
    return (a.to(dtype), x, y), (b.to(dtype), z[:, :2])


@pytest.mark.parametrize("bias", [True, False])
def test_is_the_sum_of_convolutions(bias: bool) -> None:
    (a, x, y), (b, z) = terms(bias=bias)
    weights = frames(2, 4, 6, 7, dtype=torch.float64)
    wanted = [x, y, *a.parameters(), *b.parameters()]
    together, apart = convolve((a, x, y), (b, z)), a(torch.cat((x, y), dim=1)) + b(z)
    torch.testing.assert_close(together, apart)
    gradients = [torch.autograd.grad((result * weights).sum(), wanted) for result in (together, apart)]
    torch.testing.assert_close(gradients[0], gradients[1])


def test_has_second_derivatives() -> None:
    (a, x, y), _ = terms()
    assert torch.autograd.gradgradcheck(lambda x, y: convolve((a, x, y)), (x, y))


def test_what_needs_no_gradient_gets_none() -> None:
    (a, x, y), (b, z) = terms()
    a.weight.requires_grad_(False)
    convolve((a, x.detach(), y), (b, z)).sum().backward()
    assert a.weight.grad is None
    assert gradient(y).abs().sum() > 0
    assert gradient(b.weight).abs().sum() > 0


def test_computes_as_autocast_wants() -> None:
    (a, x, y), (b, z) = terms(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        together, apart = convolve((a, x, y), (b, z)), a(torch.cat((x, y), dim=1)) + b(z)
    assert together.dtype == torch.bfloat16
    torch.testing.assert_close(together, apart, rtol=0.02, atol=0.02)
    together.sum().backward()
    assert gradient(a.weight).dtype == gradient(x).dtype == torch.float32


def test_keeps_no_copy_of_its_inputs() -> None:
    (a, x, y), (b, z) = terms()
    with Meter() as meter:
        result = convolve((a, x, y), (b, z))
    assert meter.alive == result.nbytes
