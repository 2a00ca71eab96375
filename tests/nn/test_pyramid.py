import pytest
import torch

from helpers.models import tiny_model
from msrnn.nn.ops.rescale import resample


def sources(scales: tuple[int, ...], skips: str) -> list[list[int]]:
    return tiny_model("convlstm", scales=scales, skips=skips).pyramid.sources


def test_the_papers_wiring() -> None:
    """Beside the layer below, on six layers: the table of the ablation in the paper."""
    scales = (1, 2, 4, 4, 2, 1)
    assert sources(scales, "none") == [[], [], [], [], [], []]
    assert sources(scales, "mirror") == [[], [], [], [], [1], [0]]
    assert sources(scales, "unet3+") == [[], [], [], [0, 1], [0, 1], [0, 3]]
    assert sources(scales, "full") == [[], [], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


def test_other_pyramids() -> None:
    assert sources((1, 1, 1), "mirror") == [[], [], []]
    assert sources((1, 2, 1), "mirror") == [[], [], [0]]
    assert sources((2, 1), "mirror") == [[], []]
    assert sources((1, 1, 2, 1, 1), "mirror") == [[], [], [], [1], []]
    assert sources((1, 2, 4, 2, 1), "unet3+") == [[], [], [], [0, 1], [0]]


def test_resample() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert resample(x, 1, 2).flatten().tolist() == [5, 7, 13, 15]
    assert resample(x, 2, 2) is x
    up = resample(x, 2, 1)
    assert up.shape == (1, 1, 8, 8)
    assert up[0, 0, 0, :4].tolist() == [0, 0.25, 0.75, 1.25]  # pixel centres, not corners
    with torch.autocast("cpu", torch.bfloat16):
        assert resample(x.bfloat16(), 2, 1).dtype == torch.bfloat16


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # of torch itself
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 1, 1, 1), (1, 2, 2, 7)])
def test_compiled_doubling_is_the_same(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    compiled = torch.compile(lambda x: resample(x, 2, 1), backend="aot_eager", fullgraph=True)
    weights = torch.randn(*shape[:2], 2 * shape[2], 2 * shape[3], dtype=torch.float64)
    up, expected = compiled(x), resample(x, 2, 1)
    torch.testing.assert_close(up, expected)
    torch.testing.assert_close(*(torch.autograd.grad(y, x, weights)[0] for y in (up, expected)))
