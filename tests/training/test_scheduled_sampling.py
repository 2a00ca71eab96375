from collections.abc import Callable

import numpy as np
import pytest
import torch

from msrnn.nn.models import MODELS
from msrnn.randomness import generator
from msrnn.training.scheduled_sampling import SCHEDULES, draw_mask, reverse_scheduled, scheduled


def test_scheduled_falls_linearly() -> None:
    assert scheduled(0.0, context=2, length=5).tolist() == [1, 1, 1, 1]
    assert scheduled(0.25, context=2, length=5).tolist() == [1, 1, 0.75, 0.75]
    assert scheduled(1.0, context=2, length=5).tolist() == [1, 1, 0, 0]


def test_reverse_scheduled_in_thirds() -> None:
    """The formulas in epochs: E = 30, e the current one."""
    epochs = 30
    for e in range(epochs):
        if e < epochs / 3:
            in_context, after = 0.5, 0.5
        elif e < 2 * epochs / 3:
            in_context = 1 - 0.5 * np.exp(-(e - epochs / 3) / (epochs / 15))
            after = 0.5 - 0.5 * (e - epochs / 3) / (epochs / 3)
        else:
            in_context, after = 1.0, 0.0
        np.testing.assert_allclose(reverse_scheduled(e / epochs, 3, 6), [1, in_context, in_context, after, after])


@pytest.mark.parametrize("schedule", SCHEDULES.values())
def test_probabilities(schedule: Callable[[float, int, int], np.ndarray]) -> None:
    for progress in np.linspace(0, 1, 13):
        probabilities = schedule(progress, 3, 8)
        assert probabilities.shape == (7,)
        assert probabilities[0] == 1
        assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_models_name_a_schedule() -> None:
    assert {model.cell.sampling for model in MODELS.values()} == set(SCHEDULES)
    assert MODELS["ms-predrnn-v2"].cell.sampling == "reverse-scheduled"


def test_masks_are_functions_of_seed_step_and_sample() -> None:
    probabilities = np.full(9, 0.5)
    whole = draw_mask(probabilities, 1, 7, range(8))
    assert whole.shape == (8, 9)
    assert whole.dtype == torch.bool
    # any division of the batch among ranks or accumulation steps draws the same rows
    assert torch.cat([draw_mask(probabilities, 1, 7, range(a, a + 2)) for a in (0, 2, 4, 6)]).equal(whole)
    assert draw_mask(probabilities, 1, 7, range(8)).equal(whole)
    assert not draw_mask(probabilities, 1, 8, range(8)).equal(whole)
    assert not draw_mask(probabilities, 2, 7, range(8)).equal(whole)
    assert not draw_mask(probabilities, 1, 7, range(8, 16)).equal(whole)


def test_masks_follow_the_probabilities() -> None:
    probabilities = np.array([1.0, 0.0, 0.25, 0.75])
    share = draw_mask(probabilities, 0, 0, range(4000)).double().mean(dim=0).numpy()
    np.testing.assert_allclose(share, probabilities, atol=0.03)


def test_draws_read_no_global_generator() -> None:
    before = np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002
    torch.manual_seed(0)
    first = generator(3, "digits", 5).random(4)
    assert (generator(3, "digits", 5).random(4) == first).all()
    assert (generator(3, "sampling", 5).random(4) != first).all()
    assert (generator(3, "digits", 5, 0).random(4) != first).all()
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == before  # noqa: NPY002
    assert torch.rand(1).item() == torch.rand(1, generator=torch.Generator().manual_seed(0)).item()
