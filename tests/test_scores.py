import numpy as np
import torch
from skimage import metrics

from conftest import frames
from msrnn.scores import ForecastScores


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
