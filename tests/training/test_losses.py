import pytest
import torch

from helpers.models import frames, gradient
from msrnn.training.losses import LOSSES, gdl, mse, paper, pixel_weights
from msrnn.units import RAIN_WEIGHTS, Z_R, pixel_from_rate, rain_weights


def test_paper() -> None:
    truth = torch.zeros(2, 3, 1, 2, 2)
    predictions = truth.clone()
    predictions[0, 0, 0, 0, 0] = 0.5
    ones = torch.ones_like(truth)
    assert paper(predictions, truth, ones) == pytest.approx((0.25 + 0.5) / 6)  # 2 samples, 3 steps
    assert mse(predictions, truth, ones) == pytest.approx(0.25 / 24)


def test_rain_is_weighted_by_its_true_rate() -> None:
    rates = torch.tensor([0.0, 0.4, 0.6, 2.5, 6.0, 12.0, 40.0], dtype=torch.float64)
    for z_r in Z_R.values():
        assert rain_weights(pixel_from_rate(rates, z_r).float(), z_r).tolist() == [1, 1, 1, 2, 5, 10, 30]
        thresholds = torch.tensor([rate for rate, _ in RAIN_WEIGHTS])
        at_threshold = rain_weights(pixel_from_rate(thresholds, z_r), z_r)
        assert at_threshold.tolist() == [weight for _, weight in RAIN_WEIGHTS]
    assert LOSSES["balanced"].by_rain


@pytest.mark.parametrize("loss", LOSSES)
def test_missing_pixels_take_no_part(loss: str) -> None:
    """Whatever stands there; and half a frame weighs as much as the whole of it."""
    function = LOSSES[loss].function
    truth, predictions = frames(2, 3, 1, 6, 8), frames(2, 3, 1, 6, 8, seed=2)
    valid = torch.ones(2, 3, 1, 6, 8, dtype=torch.bool)
    valid[0, :, :, :, 4:] = False
    elsewhere = predictions.masked_fill(~valid, 7.0)
    value = function(predictions, truth, pixel_weights(valid))
    assert function(elsewhere, truth, pixel_weights(valid)) == pytest.approx(float(value))
    halves = [
        function(predictions[:1, ..., :4], truth[:1, ..., :4], torch.ones(1, 3, 1, 6, 4)),
        function(predictions[1:], truth[1:], torch.ones(1, 3, 1, 6, 8)),
    ]
    scale = 2 if LOSSES[loss].sums_over_pixels else 1  # of half the pixels, the sum is doubled
    assert value == pytest.approx(float(scale * halves[0] + halves[1]) / 2, rel=1e-5)
    nothing = torch.zeros_like(valid)
    assert function(predictions, truth, pixel_weights(nothing)) == 0


def test_gdl_adds_differences_of_edges() -> None:
    truth = torch.zeros(1, 1, 1, 2, 3)
    predictions = truth.clone()
    predictions[..., 0, 1] = 0.5  # edges: two along x, one along y
    assert gdl(predictions, truth, torch.ones_like(truth)) == pytest.approx(0.25 + 0.5 + 3 * 0.5)
    blurred = torch.full_like(truth, 0.5)
    assert gdl(blurred, truth, torch.ones_like(truth)) == paper(blurred, truth, torch.ones_like(truth))


@pytest.mark.parametrize("loss", LOSSES)
def test_zero_for_the_truth_and_differentiable(loss: str) -> None:
    truth = frames(2, 3, 1, 5, 6)
    function, sums, _ = LOSSES[loss]
    ones = torch.ones_like(truth)
    assert function(truth, truth, ones) == 0
    predictions = frames(2, 3, 1, 5, 6, seed=2).requires_grad_()
    function(predictions, truth, ones).backward()
    assert gradient(predictions).isfinite().all()
    wide = function(*(tensor.repeat(1, 1, 1, 1, 2) for tensor in (predictions, truth, ones)))
    assert (wide > 1.9 * function(predictions, truth, ones)) == sums
