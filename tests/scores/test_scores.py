import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import metrics
from torch.multiprocessing.spawn import spawn

from helpers import oracles
from helpers.models import frames
from msrnn.errors import SettingsError
from msrnn.scores import (
    EVENT_SCORES,
    LPIPS,
    SCORES,
    BalancedErrors,
    Conditions,
    Contingency,
    FractionsSkill,
    FrameScores,
    PixelErrors,
    Score,
    SummedScores,
    scoring_device,
)
from msrnn.scores.bootstrap import RESAMPLES, block_weights, interval
from msrnn.scores.table import score_classes
from msrnn.units import Z_R, pixel_from_rate

nan = torch.nan
Z_R_DWD = Z_R["dwd"]
THRESHOLDS = (0.2, 0.7)
CLASSES: dict[str, Callable[..., SummedScores]] = {
    "pixel errors": PixelErrors,
    "frame scores": FrameScores,
    "balanced errors": lambda leads, resamples=0: BalancedErrors(leads, Z_R_DWD, resamples),
    "contingency": lambda leads, resamples=0: Contingency(leads, THRESHOLDS, resamples),
    "fractions skill": lambda leads, resamples=0: FractionsSkill(leads, THRESHOLDS, (1, 4), resamples),
    "lpips": lambda leads, resamples=0: LPIPS(leads, resamples, lambda f, t: (f - t).abs().mean(dim=(1, 2, 3))),
}
all_scores = pytest.mark.parametrize("make", CLASSES.values(), ids=CLASSES)


def test_against_other_libraries() -> None:
    """`python tests/oracles.py` made the record."""
    record = json.loads(oracles.RECORD.read_text())
    forecast, truth = (torch.from_numpy(part) for part in oracles.fields())
    leads, compared = oracles.LEADS, 0
    in_mm_h = [
        PixelErrors(leads),
        Contingency(leads, oracles.THRESHOLDS),
        FractionsSkill(leads, oracles.THRESHOLDS, oracles.WINDOWS),
    ]
    in_one = FrameScores(leads)
    in_one.update(forecast.clamp(0, 10) / 10, truth.clamp(0, 10) / 10)
    ours = in_one.compute()
    for scores in in_mm_h:
        scores.update(forecast, truth)
        ours |= scores.compute()
    for library, of_library in record.items():
        for name, values in of_library.items():
            key, *more = name.split()
            score = Score(key, *(kind(part) for kind, part in zip((float, int), more, strict=False)))
            np.testing.assert_allclose(ours[score], values, rtol=2e-5, err_msg=f"{library} {name}")
            compared += 1
    assert compared == 3 + 3 * (6 + 4) + 3 * (6 + 1) + 2


def test_sums_over_pixels_and_balanced_errors_by_hand() -> None:
    truth = torch.tensor([[0.0, 1.0], [3.0, 40.0]]).reshape(1, 1, 1, 2, 2)  # mm/h, weights 1, 1, 2, 30
    truth = pixel_from_rate(truth, Z_R_DWD)
    forecast = truth + torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    frame, balanced = FrameScores(1), BalancedErrors(1, Z_R_DWD)
    frame.update(forecast, truth)
    balanced.update(forecast, truth)
    ours = {score.name: float(value) for score, value in (frame.overall() | balanced.overall()).items()}
    assert ours["mse_sum"] == pytest.approx(0.01 + 0.04 + 0.09 + 0.16, rel=1e-5)
    assert ours["mae_sum"] == pytest.approx(1.0, rel=1e-5)
    assert ours["balanced_mse"] == pytest.approx((0.01 + 0.04 + 2 * 0.09 + 30 * 0.16) / 4, rel=1e-5)
    assert ours["balanced_mae"] == pytest.approx((0.1 + 0.2 + 2 * 0.3 + 30 * 0.4) / 4, rel=1e-5)


def test_gradient_difference_by_hand() -> None:
    truth = torch.tensor([[0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]).reshape(1, 1, 1, 2, 3)
    forecast = torch.tensor([[0.0, -0.5, 0.25], [0.0, 0.0, 1.0]]).reshape(1, 1, 1, 2, 3)
    scores = FrameScores(1)
    scores.update(forecast, truth)
    along_y = (0 + 0 + 0.25) / 3  # |0.75| - |0.5|; the sign of a gradient does not matter
    along_x = (0 + 0.75 + 0 + 0) / 4
    assert float(scores.overall()[Score("gdl")]) == pytest.approx(along_y + along_x)


def test_contingency_by_hand() -> None:
    """One hit, two misses, three false alarms, four correct negatives; one pixel is missing."""
    said = torch.tensor([1.0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1]).reshape(1, 1, 1, 1, 11)
    was = torch.tensor([1.0, 1, 1, 0, 0, 0, 0, 0, 0, 0, nan]).reshape(1, 1, 1, 1, 11)
    table = Contingency(1, (0.5, 1.0, 2.0))
    table.update(said, was)
    counts = table.counts()
    assert counts.dtype == torch.int64
    assert counts[:, 0, 0].tolist() == counts[:, 1, 0].tolist() == [1, 2, 3, 4]  # at the threshold is an event
    assert counts[:, 2, 0].tolist() == [0, 0, 0, 10]
    by_chance = 3 * 4 / 10
    expected = {
        "pod": 1 / 3,
        "far": 3 / 4,
        "csi": 1 / 6,
        "hss": 2 * (1 * 4 - 2 * 3) / ((1 + 2) * (2 + 4) + (1 + 3) * (3 + 4)),
        "ets": (1 - by_chance) / (6 - by_chance),
        "bias": 4 / 3,
    }
    scores = table.overall()
    assert {name for name, *_ in scores} == expected.keys()
    for name, value in expected.items():
        assert float(scores[Score(name, 1.0)]) == pytest.approx(value)
        assert scores[Score(name, 2.0)].isnan()  # nothing to count
    large = torch.tensor([2**40, 2**41, 2**40, 2**42])
    assert EVENT_SCORES["hss"](large).isfinite()
    assert EVENT_SCORES["csi"](large) == 0.25


def test_hits_without_any_event_are_undefined_and_false_alarms_are_not() -> None:
    table = Contingency(1, (0.5,))
    table.update(torch.ones(1, 1, 1, 2, 2), torch.zeros(1, 1, 1, 2, 2))
    scores = {score.name: float(value) for score, value in table.overall().items()}
    assert scores["far"] == 1
    assert scores["csi"] == 0
    assert np.isnan([scores["pod"], scores["bias"]]).all()


@all_scores
def test_batches_of_any_size_give_the_same(make: Callable[..., SummedScores]) -> None:
    forecast, truth = frames(5, 2, 1, 12, 12, seed=1), frames(5, 2, 1, 12, 12, seed=2)
    weights = block_weights(range(5))
    whole, parts = make(2, RESAMPLES), make(2, RESAMPLES)
    whole.update(forecast, truth, weights=weights)
    for part in (slice(0, 3), slice(3, 4), slice(4, 5)):
        parts.update(forecast[part], truth[part], weights=weights[part])
    torch.testing.assert_close(parts.compute(), whole.compute())
    torch.testing.assert_close(parts.overall(), whole.overall())
    torch.testing.assert_close(parts.of_resamples(), whole.of_resamples(), equal_nan=True)  # nothing drawn


@all_scores
def test_missing_pixels_are_not_scored(make: Callable[..., SummedScores]) -> None:
    forecast, truth = frames(3, 2, 1, 20, 24, seed=1), frames(3, 2, 1, 20, 24, seed=2)
    valid = torch.ones_like(truth, dtype=torch.bool)
    valid[..., :9] = False
    valid[2, 1] = False
    scores, spoilt, as_nan, nothing = (make(2) for _ in range(4))
    scores.update(forecast, truth, valid)
    spoilt.update(forecast.masked_fill(~valid, 7), truth.masked_fill(~valid, nan), valid)
    as_nan.update(forecast, truth.masked_fill(~valid, nan))
    nothing.update(forecast, truth, torch.zeros_like(valid))
    torch.testing.assert_close(spoilt.compute(), scores.compute(), equal_nan=True)
    torch.testing.assert_close(as_nan.compute(), scores.compute(), equal_nan=True)
    assert all(values.isnan().all() for values in nothing.compute().values())
    if isinstance(scores, FractionsSkill | LPIPS):  # windows reach over the border; frames are left out
        return
    cut, whole = make(1), make(1)
    cut.update(forecast[:, :1, :, :, 9:], truth[:, :1, :, :, 9:])
    whole.update(forecast[:, :1], truth[:, :1], valid[:, :1])
    of_cut = cut.compute()
    for score, values in whole.compute().items():
        factor = 20 * 24 / (20 * 15) if score.name.endswith("_sum") else 1  # a sum counts for the whole frame
        torch.testing.assert_close(values, of_cut[score] * factor)


def test_every_row_names_the_class_that_computes_it() -> None:
    conditions = Conditions(1, 0, (0.5,), (3,), z_r=Z_R_DWD, distance=lambda one, other: (one - other).mean())
    computed = {
        one: {score.name for score in suited.per_lead()}
        for one in score_classes()
        if (suited := one.suited_to(conditions)) is not None
    }
    assert sorted(name for names in computed.values() for name in names) == sorted(SCORES)
    for name, row in SCORES.items():
        assert name in computed[row.computed_by]


@all_scores
def test_a_perfect_forecast(make: Callable[..., SummedScores]) -> None:
    truth = frames(2, 1, 1, 16, 16)
    scores = make(1)
    scores.update(truth, truth)
    for score, value in scores.overall().items():
        if score.name == "psnr":
            assert value == 100
        else:
            best = SCORES[score.name].best
            assert value == pytest.approx(1.0 if best is None else best, abs=1e-6)


def test_frames_too_small_for_ssim() -> None:
    scores = FrameScores(1)
    scores.update(frames(2, 1, 1, 8, 8), frames(2, 1, 1, 8, 8, seed=1))
    assert scores.overall()[Score("ssim")].isnan()
    assert scores.overall()[Score("psnr")].isfinite()


@all_scores
def test_scores_of_each_sequence(make: Callable[..., SummedScores]) -> None:
    forecast, truth = frames(3, 2, 1, 14, 14, seed=1), frames(3, 2, 1, 14, 14, seed=2)
    together, alone = make(2), make(2)
    together.update(forecast, truth)
    alone.update(forecast[1:2], truth[1:2])
    of_each = together.of_each()
    for score, value in alone.overall().items():
        torch.testing.assert_close(of_each[score][1], value)


def test_overall_ssim_is_that_of_scikit_image_over_all_frames() -> None:
    forecast, truth = frames(2, 3, 1, 20, 24, seed=1), frames(2, 3, 1, 20, 24, seed=2)
    scores = FrameScores(3)
    scores.update(forecast, truth)
    options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = zip(forecast.flatten(0, 2).numpy(), truth.flatten(0, 2).numpy(), strict=True)
    expected = np.mean([metrics.structural_similarity(t, f, **options) for f, t in pairs])
    np.testing.assert_allclose(scores.overall()[Score("ssim")], expected, atol=1e-5)


def test_lpips_gives_its_network_colour_pictures_in_zero_to_one() -> None:
    seen = []

    def distance(forecast: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        seen.append((forecast, truth))
        return torch.arange(len(forecast)).float()

    scores = LPIPS(2, distance=distance)
    forecast = frames(2, 2, 1, 8, 8) + 0.5
    valid = torch.ones_like(forecast, dtype=torch.bool)
    valid[1, 0, 0, 3, 3] = False
    scores.update(forecast, frames(2, 2, 1, 8, 8), valid)
    (pictures, _), *_ = seen
    assert pictures.shape == (4, 3, 8, 8)
    assert pictures.max() == 1
    assert pictures[:, 0].equal(pictures[:, 2])
    assert scores.compute()[Score("lpips")].tolist() == [0, (1 + 3) / 2]  # the third has a missing pixel


def test_lpips_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: Any) -> None:
        raise ModuleNotFoundError

    monkeypatch.setattr("msrnn.scores.continuous.LearnedPerceptualImagePatchSimilarity", missing)
    with pytest.raises(SettingsError, match=r'pip install "msrnn\[lpips\]"'):
        LPIPS(1)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """95 % intervals of a mean over 40 sequences, 200 times."""
    held = 0
    for trial in range(200):
        forecast = torch.from_numpy(np.random.default_rng(trial).normal(0.5, 0.1, (40, 1, 1, 1, 1)))
        scores = PixelErrors(1, RESAMPLES)
        scores.update(forecast, torch.zeros_like(forecast), weights=block_weights(range(40 * trial, 40 * trial + 40)))
        low, high = interval(scores.of_resamples()[Score("mae")], 40)
        assert low[1] == low[0] < scores.overall()[Score("mae")] < high[0] == high[1]
        held += bool(low[0] <= 0.5 <= high[0])
    assert 0.89 <= held / 200 <= 0.985


def test_sequences_of_a_block_are_drawn_together() -> None:
    weights = block_weights([7, -3, 7])
    assert weights[0].equal(weights[2])
    assert not weights[0].equal(weights[1])
    assert weights.mean() == pytest.approx(1, abs=0.05)
    low, high = interval(torch.rand(100, 3), 4)
    assert low.isnan().all()
    assert high.isnan().all()


def test_sums_are_kept_where_there_are_doubles() -> None:
    assert scoring_device(torch.device("mps")).type == "cpu"
    assert scoring_device(torch.device("cpu")).type == "cpu"


def _of_rank(rank: int, folder: Path) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    forecast, truth = frames(5, 2, 1, 12, 12, seed=1), frames(5, 2, 1, 12, 12, seed=2)
    mine = slice(0, 3) if rank == 0 else slice(3, 5)  # an uneven last batch
    found = {}
    for name, make in CLASSES.items():
        scores = make(2, 10)
        scores.update(forecast[mine], truth[mine], weights=block_weights(range(5), 10)[mine])
        found[name] = [scores.compute(), scores.overall(), scores.of_resamples()]
    if rank == 0:
        torch.save(found, folder / "found.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_give_the_scores_of_one(tmp_path: Path) -> None:
    spawn(_of_rank, (tmp_path,), nprocs=2)
    found = torch.load(tmp_path / "found.pt", weights_only=False)
    forecast, truth = frames(5, 2, 1, 12, 12, seed=1), frames(5, 2, 1, 12, 12, seed=2)
    for name, make in CLASSES.items():
        scores = make(2, 10)
        scores.update(forecast, truth, weights=block_weights(range(5), 10))
        for ours, theirs in zip((scores.compute(), scores.overall(), scores.of_resamples()), found[name], strict=True):
            torch.testing.assert_close(theirs, ours, equal_nan=True)
