import numpy as np
import pytest
import torch
from skimage import metrics

from conftest import frames
from msrnn.scores import Contingency, ForecastScores, csi, far, hss, pod


def test_scores_are_those_of_scikit_image():
    forecast, truth = frames(3, 2, 1, 20, 24, seed=1), frames(3, 2, 1, 20, 24, seed=2)
    scores = ForecastScores(2)
    scores.update(forecast, truth)
    ours = scores.compute()
    for lead in range(2):
        pairs = [(f.numpy(), t.numpy()) for f, t in zip(forecast[:, lead, 0], truth[:, lead, 0], strict=True)]
        options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        ssim = np.mean([metrics.structural_similarity(t, f, **options) for f, t in pairs])
        np.testing.assert_allclose(ours["ssim"][lead], ssim, atol=1e-5)
        psnr = np.mean([metrics.peak_signal_noise_ratio(t, f, data_range=1.0) for f, t in pairs])
        np.testing.assert_allclose(ours["psnr"][lead], psnr, rtol=1e-6)
        np.testing.assert_allclose(ours["mse"][lead], np.mean([((f - t) ** 2).mean() for f, t in pairs]), rtol=1e-6)
        np.testing.assert_allclose(ours["mae"][lead], np.mean([np.abs(f - t).mean() for f, t in pairs]), rtol=1e-6)


def test_batches_of_any_size_give_the_same():
    forecast, truth = frames(5, 2, 1, 12, 12, seed=1), frames(5, 2, 1, 12, 12, seed=2)
    whole, parts = ForecastScores(2), ForecastScores(2)
    whole.update(forecast, truth)
    for part in (slice(0, 3), slice(3, 4), slice(4, 5)):
        parts.update(forecast[part], truth[part])
    torch.testing.assert_close(parts.compute(), whole.compute())


def test_perfect_forecast_and_frames_too_small_for_ssim():
    truth = frames(2, 1, 1, 8, 8)
    scores = ForecastScores(1)
    scores.update(truth, truth)
    result = scores.compute()
    assert result["mse"] == result["mae"] == 0
    assert result["psnr"] == torch.inf
    assert result["ssim"].isnan()


def test_missing_pixels_are_not_scored():
    forecast, truth = frames(3, 2, 1, 20, 24, seed=1), frames(3, 2, 1, 20, 24, seed=2)
    valid = torch.ones_like(truth, dtype=torch.bool)
    valid[..., :9] = False
    valid[2, 1] = False
    scores, spoilt, cut = ForecastScores(2), ForecastScores(2), ForecastScores(2)
    scores.update(forecast, truth, valid)
    spoilt.update(forecast.masked_fill(~valid, 7), truth.masked_fill(~valid, torch.nan), valid)
    torch.testing.assert_close(spoilt.compute(), scores.compute())
    cut.update(forecast[..., 9:], truth[..., 9:])
    torch.testing.assert_close(
        {k: v[0] for k, v in scores.compute().items()}, {k: v[0] for k, v in cut.compute().items()}
    )
    first_two = ForecastScores(2)
    first_two.update(forecast[:2, ..., 9:], truth[:2, ..., 9:])  # the third has no second frame
    torch.testing.assert_close(scores.compute()["psnr"][1], first_two.compute()["psnr"][1])
    nothing = ForecastScores(2)
    nothing.update(forecast, truth, torch.zeros_like(valid))
    assert all(values.isnan().all() for values in nothing.compute().values())


def test_contingency_by_hand():
    """One hit, two misses, three false alarms, four correct negatives; one pixel is missing."""
    said = torch.tensor([1.0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1]).reshape(1, 1, 1, 1, 11)
    was = torch.tensor([1.0, 1, 1, 0, 0, 0, 0, 0, 0, 0, torch.nan]).reshape(1, 1, 1, 1, 11)
    table = Contingency(1, (0.5, 1.0, 2.0))
    table.update(said, was)
    counts = table.compute()
    assert counts.dtype == torch.int64
    assert counts[:, 0, 0].tolist() == counts[:, 1, 0].tolist() == [1, 2, 3, 4]  # at the threshold is an event
    assert counts[:, 2, 0].tolist() == [0, 0, 0, 10]
    assert pod(counts)[:, 0].tolist()[:2] == pytest.approx([1 / 3, 1 / 3])
    assert far(counts)[0, 0] == pytest.approx(3 / 4)
    assert csi(counts)[0, 0] == pytest.approx(1 / 6)
    assert hss(counts)[0, 0] == pytest.approx(2 * (1 * 4 - 2 * 3) / ((1 + 2) * (2 + 4) + (1 + 3) * (3 + 4)))
    for score in (pod, far, csi, hss):
        assert score(counts)[2, 0].isnan()  # nothing to count


def test_counts_add_up_per_lead_and_do_not_overflow():
    forecast, truth = 10 * frames(5, 3, 1, 8, 9, seed=1), 10 * frames(5, 3, 1, 8, 9, seed=2)
    whole, parts = Contingency(3, (2.0, 5.0)), Contingency(3, (2.0, 5.0))
    whole.update(forecast, truth)
    for part in (slice(0, 4), slice(4, 5)):
        parts.update(forecast[part], truth[part])
    assert whole.compute().equal(parts.compute())
    assert (whole.compute().sum(dim=0) == 5 * 72).all()
    hits = ((forecast[:, 1] >= 5) & (truth[:, 1] >= 5)).sum()
    assert whole.compute()[0, 1, 1] == hits
    large = torch.tensor([2**40, 2**41, 2**40, 2**42])
    assert hss(large).isfinite()
    assert csi(large) == 0.25
