import pytest
import torch

from conftest import frames
from msrnn.training.losses import LOSSES, balanced, gdl, mse, paper
from msrnn.units import pixel_from_rate


def test_paper():
    truth = torch.zeros(2, 3, 1, 2, 2)
    predictions = truth.clone()
    predictions[0, 0, 0, 0, 0] = 0.5
    assert paper(predictions, truth) == pytest.approx((0.25 + 0.5) / 6)  # 2 samples, 3 steps
    assert mse(predictions, truth) == pytest.approx(0.25 / 24)


def test_balanced_weighs_by_true_rain():
    rates = (0.0, 0.4, 0.6, 2.5, 6.0, 12.0, 40.0)
    weights = (1, 1, 1, 2, 5, 10, 30)
    for rate, weight in zip(rates, weights, strict=True):
        truth = torch.full((1, 1, 1, 1, 1), pixel_from_rate(rate))
        error = paper(truth + 0.1, truth)
        assert balanced(truth + 0.1, truth) == pytest.approx(weight * float(error), rel=1e-5)
    at_threshold = torch.full((1, 1, 1, 1, 1), pixel_from_rate(30.0))
    assert balanced(at_threshold + 0.1, at_threshold) == pytest.approx(30 * 0.11, rel=1e-5)


def test_pixel_from_rate():
    """Z = 256 R^1.42 at 1 mm/h is 24.08 dBZ."""
    assert pixel_from_rate(1.0) == pytest.approx((24.0824 + 10) / 70, abs=1e-6)
    assert pixel_from_rate(0.0) == 0
    assert pixel_from_rate(1e9) == 1


def test_gdl_adds_differences_of_edges():
    truth = torch.zeros(1, 1, 1, 2, 3)
    predictions = truth.clone()
    predictions[..., 0, 1] = 0.5  # edges: two along x, one along y
    assert gdl(predictions, truth) == pytest.approx(0.25 + 0.5 + 3 * 0.5)
    blurred = torch.full_like(truth, 0.5)
    assert gdl(blurred, truth) == paper(blurred, truth)


@pytest.mark.parametrize("loss", LOSSES)
def test_zero_for_the_truth_and_differentiable(loss):
    truth = frames(2, 3, 1, 5, 6)
    function, sums = LOSSES[loss]
    assert function(truth, truth) == 0
    predictions = frames(2, 3, 1, 5, 6, seed=2).requires_grad_()
    function(predictions, truth).backward()
    assert predictions.grad.isfinite().all()
    wide = function(predictions.repeat(1, 1, 1, 1, 2), truth.repeat(1, 1, 1, 1, 2))
    assert (wide > 1.9 * function(predictions, truth)) == sums
