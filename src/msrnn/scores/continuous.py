"""Errors, structural similarity and the like: how far a forecast's numbers are from the truth's."""

from typing import Self

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from msrnn.errors import SettingsError
from msrnn.scores.base import PIXELS, Conditions, Distance, Score, SummedScores
from msrnn.units import ZR, rain_weights

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
LARGEST_PSNR = 100.0
"""PSNR in dB of a frame without error; infinity would make every mean infinite."""


class PixelErrors(SummedScores):
    """mse, mae and rmse: means over pixels, in the units of the frames, or the root of one."""

    suffix = ""
    """Ends the scores' names."""

    def __init__(self, leads: int, resamples: int = 0) -> None:
        super().__init__(leads, 3, resamples)

    def sums_of(self, forecast: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
        """Pixels, squared and absolute error."""
        error = forecast - truth
        return torch.stack([part.sum(dim=PIXELS).double() for part in (valid, error.square(), error.abs())], dim=1)

    def scores(self, sums: Tensor) -> dict[Score, Tensor]:
        """Their means."""
        pixels, squared, absolute = sums.unbind(dim=-2)
        mse = squared / pixels
        values = {"mse": mse, "mae": absolute / pixels, "rmse": mse.sqrt()}
        return {Score(name + self.suffix): value for name, value in values.items()}


class PhysicalErrors(PixelErrors):
    """mse_physical, mae_physical and rmse_physical: the same of physical values, where these are not in [0, 1]."""

    physical = True
    suffix = "_physical"

    @classmethod
    def suited_to(cls, conditions: Conditions) -> Self | None:
        """Make the scores, if physical values have units of their own."""
        return cls(conditions.leads, conditions.resamples) if conditions.has_units else None


class FrameScores(SummedScores):
    """mse_sum, mae_sum, ssim, psnr and gdl of frames in [0, 1].

    mse_sum and mae_sum are the MS-RNN paper's: sums over the pixels of a frame, mean over frames; of a frame with
    missing pixels the sum over the others, divided by their share. ssim (Wang et al. 2004,
    https://doi.org/10.1109/TIP.2003.819861: Gaussian window of 11 pixels, sigma 1.5, data range 1; windows that touch
    a missing pixel are left out; NaN for frames smaller than the window) and psnr (dB, at most 100) are means over
    frames. gdl is the mean absolute difference of the gradients' magnitudes along y, plus that along x (Mathieu et al.
    2016, https://arxiv.org/abs/1511.05440, equation 6 with alpha = 1, per pixel); an axis of one pixel has none.
    """

    def __init__(self, leads: int, resamples: int = 0) -> None:
        super().__init__(leads, 10, resamples)

    def sums_of(self, forecast: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
        """The scores of frames, and for each how many there are; gradient differences, and how many there are."""
        error = forecast - truth
        share = valid.double().mean(dim=PIXELS)
        seen = share > 0
        squared, absolute = (
            error_sum.sum(dim=PIXELS).double() / torch.where(seen, share, 1)
            for error_sum in (error.square(), error.abs())
        )
        psnr = (-10 * (squared / valid[0, 0].numel()).log10()).clamp(max=LARGEST_PSNR)
        ssim, windows = _ssim(forecast, truth, valid)
        comparable = windows > 0
        parts = [seen, squared, absolute, torch.where(seen, psnr, 0), comparable, torch.where(comparable, ssim, 0)]
        for axis in (-2, -1):
            both = valid.narrow(axis, 0, valid.shape[axis] - 1) & valid.narrow(axis, 1, valid.shape[axis] - 1)
            difference = (forecast.diff(dim=axis).abs() - truth.diff(dim=axis).abs()).abs()
            parts += [both.sum(dim=PIXELS), torch.where(both, difference, 0).sum(dim=PIXELS)]
        return torch.stack([part.double() for part in parts], dim=1)

    def scores(self, sums: Tensor) -> dict[Score, Tensor]:
        """Their means."""
        frames, squared, absolute, psnr, comparable, ssim, pairs_y, gdl_y, pairs_x, gdl_x = sums.unbind(dim=-2)
        along_y, along_x = (
            gdl / pairs.masked_fill(pairs == 0, 1) for gdl, pairs in ((gdl_y, pairs_y), (gdl_x, pairs_x))
        )
        values = {
            "mse_sum": squared / frames,
            "mae_sum": absolute / frames,
            "ssim": ssim / comparable,
            "psnr": psnr / frames,
            "gdl": torch.where(pairs_y + pairs_x > 0, along_y + along_x, torch.nan),
        }
        return {Score(name): value for name, value in values.items()}


class BalancedErrors(SummedScores):
    """balanced_mse and balanced_mae of rain in [0, 1]: means over pixels of errors times a weight of the true rain.

    Shi et al. 2017, https://arxiv.org/abs/1706.03458, section 5.2.

    Args:
        leads: lead times of a forecast.
        z_r: how pixels in [0, 1] are rain rates.
        resamples: bootstrap resamples.
    """

    def __init__(self, leads: int, z_r: ZR, resamples: int = 0) -> None:
        super().__init__(leads, 3, resamples)
        self.z_r = z_r

    @classmethod
    def suited_to(cls, conditions: Conditions) -> Self | None:
        """Make the scores, if pixels are rain."""
        return None if conditions.z_r is None else cls(conditions.leads, conditions.z_r, conditions.resamples)

    def sums_of(self, forecast: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
        """Pixels, weighted squared and absolute error."""
        error, weights = forecast - truth, rain_weights(truth, self.z_r)
        parts = (valid, weights * error.square(), weights * error.abs())
        return torch.stack([part.sum(dim=PIXELS).double() for part in parts], dim=1)

    def scores(self, sums: Tensor) -> dict[Score, Tensor]:
        """Their means."""
        pixels, squared, absolute = sums.unbind(dim=-2)
        return {Score("balanced_mse"): squared / pixels, Score("balanced_mae"): absolute / pixels}


class LPIPS(SummedScores):
    """lpips of frames in [0, 1] of 1 or 3 channels: the mean over frames of a distance between a network's features.

    Zhang et al. 2018, https://arxiv.org/abs/1801.03924.

    Args:
        leads: lead times of a forecast.
        resamples: bootstrap resamples.
        distance: of two batches of pictures (n, 3, y, x) in [0, 1], (n,); by default AlexNet's.

    Raises:
        SettingsError: torchvision, which holds AlexNet, is not installed.
    """

    def __init__(self, leads: int, resamples: int = 0, distance: Distance | None = None) -> None:
        super().__init__(leads, 2, resamples)
        self.distance = distance or alexnet_distance()

    @classmethod
    def suited_to(cls, conditions: Conditions) -> Self | None:
        """Make the scores, if there is a distance."""
        if conditions.distance is None:
            return None
        return cls(conditions.leads, conditions.resamples, conditions.distance)

    def sums_of(self, forecast: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
        """Frames, and their distances; a frame with a missing pixel is left out."""
        whole = valid.all(dim=PIXELS[0]).all(dim=(-2, -1))
        pictures = [frames.clamp(0, 1).flatten(0, 1).expand(-1, 3, -1, -1) for frames in (forecast, truth)]
        distances = self.distance(*pictures).reshape(whole.shape).double()
        return torch.stack((whole.double(), torch.where(whole, distances, 0)), dim=1)

    def scores(self, sums: Tensor) -> dict[Score, Tensor]:
        """Its mean."""
        frames, distances = sums.unbind(dim=-2)
        return {Score("lpips"): distances / frames}


def alexnet_distance() -> Distance:
    """LPIPS of AlexNet's features.

    Raises:
        SettingsError: torchvision, which holds AlexNet, is not installed.
    """
    try:
        network = LearnedPerceptualImagePatchSimilarity(net_type="alex").net
    except ModuleNotFoundError as error:
        raise SettingsError('lpips needs torchvision: pip install "msrnn[lpips]"') from error
    return lambda forecast, truth: network.to(truth.device)(forecast, truth, normalize=True).flatten()


def _ssim(forecast: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM of each frame, and the number of windows it is the mean of; both (batch, lead)."""
    if min(truth.shape[-2:]) < SSIM_WINDOW:
        nothing = truth.new_zeros(truth.shape[:2])
        return nothing, nothing
    _, image = structural_similarity_index_measure(
        forecast.flatten(0, 1),
        truth.flatten(0, 1),
        sigma=SSIM_SIGMA,
        data_range=1.0,
        reduction="none",
        return_full_image=True,
    )
    edge = SSIM_WINDOW // 2
    inside = image[..., edge:-edge, edge:-edge]  # where the window lies within the frame, as scikit-image does
    touched = torch.nn.functional.max_pool2d((~valid).flatten(0, 1).float(), SSIM_WINDOW, stride=1)
    whole = touched == 0
    count = whole.sum(dim=(1, 2, 3))
    ssim = torch.where(whole, inside, 0).sum(dim=(1, 2, 3)) / count.clamp(min=1)
    return ssim.reshape(truth.shape[:2]), count.reshape(truth.shape[:2])
