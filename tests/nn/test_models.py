"""What must hold for every model, over the table of models."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

import msrnn
from helpers.models import frames, gradient, tiny_model
from msrnn.analysis.counting import Meter
from msrnn.nn.cells import CELLS
from msrnn.nn.cells.base import State
from msrnn.nn.cells.cmslstm import CMSLSTM
from msrnn.nn.models import MODELS, PYRAMID


def test_names() -> None:
    names = msrnn.list_models()
    assert names[0] == "cms-lstm"
    assert names[-1] == "ms-trajgru"
    assert {"predrnn++", "ms-predrnn++", "mk-lstm", "ms-lstm", "preciplstm"} <= set(names)
    assert len(names) == 2 * len(CELLS)


def test_same_parameters_in_the_pyramid(name: str) -> None:
    plain = next(other for other, model in MODELS.items() if model.cell is MODELS[name].cell)
    shapes = {key: weight.shape for key, weight in tiny_model(name).state_dict().items()}
    assert shapes == {key: weight.shape for key, weight in tiny_model(plain).state_dict().items()}


def test_every_weight_gets_a_gradient(name: str) -> None:
    model = tiny_model(name)
    predictions, auxiliary = model(frames(2, 7, 1, 16, 16), context=4)
    (predictions.square().sum() + auxiliary).backward()
    for key, parameter in model.named_parameters():
        # row by row: a gate that feeds nothing would hide among the others
        assert (
            gradient(parameter).flatten(1).abs().sum(dim=1).gt(0).all()
            if parameter.ndim > 1
            else (gradient(parameter).ne(0).all())
        ), key


def test_samples_do_not_see_each_other(name: str) -> None:
    model = tiny_model(name)
    x = frames(2, 4, 1, 16, 16)
    together = model.forecast(x, horizon=2)
    alone = torch.cat([model.forecast(x[i : i + 1], horizon=2) for i in range(2)])
    torch.testing.assert_close(together, alone)


def test_nothing_is_left_between_calls(name: str) -> None:
    model = tiny_model(name)
    x = frames(3, 4, 1, 8, 8)
    first = model.forecast(x, horizon=3)
    assert model.forecast(x, horizon=3).equal(first)
    torch.testing.assert_close(model.forecast(x[:1], horizon=3), first[:1])


@pytest.mark.parametrize("size", [(59, 59), (37, 53), (60, 52), (1, 1), (2, 7)])
def test_any_frame_size(name: str, size: tuple[int, int]) -> None:
    forecast = tiny_model(name).forecast(frames(1, 2, 1, *size), horizon=2)
    assert forecast.shape == (1, 2, 1, *size)
    assert forecast.isfinite().all()


def test_one_network_for_all_sizes(name: str) -> None:
    model = tiny_model(name)
    predictions, auxiliary = model(frames(1, 4, 1, 32, 32), context=2)
    (predictions.sum() + auxiliary).backward()
    assert model.forecast(frames(1, 2, 1, 48, 64), horizon=1).shape == (1, 1, 1, 48, 64)


def test_output_moves_with_input(name: str) -> None:
    """Shift the input, the interior of the output shifts: space and channels are never mixed up."""
    model = tiny_model(name, scales=(1, 2) if name.startswith("ms-") else (1, 1))
    for cell in model.pyramid.cells:
        if isinstance(cell, CMSLSTM):  # attention is to blocks of the frame, which stay where they are
            cell.attentions = torch.nn.ModuleList(torch.nn.Identity() for _ in cell.attentions)
    x = frames(1, 2, 1, 128, 128, dtype=torch.float64)
    model.double()
    shift, inside = (4, 8), (..., slice(60, 68), slice(60, 68))
    moved = model.forecast(x.roll(shift, dims=(-2, -1)), horizon=1)
    torch.testing.assert_close(moved[inside], model.forecast(x, horizon=1).roll(shift, dims=(-2, -1))[inside])
    assert not moved[inside].allclose(model.forecast(x, horizon=1)[inside], atol=1e-4)


def test_step_equals_forecast(name: str) -> None:
    model = tiny_model(name)
    x = frames(2, 3, 1, 13, 10)
    state = None
    for t in range(3):
        own, state = model.step(x[:, t], state)
    stepped = [own]
    for _ in range(2):
        own, state = model.step(own, state)
        stepped.append(own)
    assert torch.stack(stepped, dim=1).equal(model.forecast(x, horizon=3))


def test_forecast_equals_forward(name: str) -> None:
    """Frames after the context are never read: NaN there changes nothing, forward or backward."""
    model = tiny_model(name)
    x = frames(2, 6, 1, 8, 12)
    expected = model.forecast(x[:, :3], horizon=3)
    x[:, 3:] = torch.nan
    predictions, _ = model(x, context=3)
    assert predictions.shape == (2, 5, 1, 8, 12)
    assert predictions[:, 2:].equal(expected)
    mask = torch.tensor([[True, True, True, False, False]] * 2)
    masked, auxiliary = model(x, context=3, truth_mask=mask)
    assert masked.equal(predictions)
    (masked.sum() + auxiliary).backward()
    assert all(gradient(parameter).isfinite().all() for parameter in model.parameters())


def test_memory_modes_agree(name: str) -> None:
    model = tiny_model(name)
    x = frames(1, 7, 1, 8, 8)
    keys = model.state_dict().keys()
    results = []
    for mode in ("keep", "step", "sqrt"):
        model.memory = mode
        model.zero_grad()
        predictions, auxiliary = model(x, context=3)
        (predictions.square().sum() + auxiliary).backward()
        results.append([predictions.detach(), *(gradient(parameter).clone() for parameter in model.parameters())])
        assert model.state_dict().keys() == keys
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-5, atol=1e-6)


def test_recomputing_holds_less(name: str) -> None:
    """Bytes that the forward pass leaves behind for the backward pass: `sqrt` < `step` < `keep`."""
    model = tiny_model(name)
    held = {}
    for mode in ("keep", "step", "sqrt"):
        model.memory = mode
        with Meter() as meter:
            results = model(frames(1, 17, 1, 16, 16), context=8)
        held[mode] = meter.alive
        del results
    assert held["sqrt"] < held["step"] < held["keep"]


def test_double_and_bfloat16(name: str) -> None:
    model = tiny_model(name)
    x = frames(1, 3, 1, 16, 16)
    expected = model.forecast(x, horizon=2)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.forecast(x, horizon=2)
        predictions, auxiliary = model(frames(1, 4, 1, 16, 16), context=2)
        loss = predictions.square().sum() + auxiliary
    loss.backward()
    assert half.dtype == torch.float32
    assert (half - expected).abs().max() < 0.5 * expected.std()
    assert all(gradient(parameter).isfinite().all() for parameter in model.parameters())
    double = model.double().forecast(x.double(), horizon=2)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double, expected.double(), rtol=1e-4, atol=1e-4)


def test_other_channels_keep_their_last_context_value(name: str) -> None:
    model = tiny_model(name, in_channels=3, out_channels=2)
    x = frames(2, 5, 3, 8, 8)
    forecast = model.forecast(x[:, :2], horizon=2)
    own, state = model.step(x[:, 0])
    own, state = model.step(x[:, 1], state)
    again, _ = model.step(torch.cat((own, x[:, 1, 2:]), dim=1), state)
    assert forecast.equal(torch.stack((own, again), dim=1))
    x[:, 2:, 2:] = torch.nan  # in training too, wherever the truth is fed
    predictions, _ = model(x, context=2, truth_mask=torch.ones(2, 4, dtype=torch.bool))
    assert predictions.isfinite().all()


def test_meta_device_and_copies(name: str) -> None:
    """A cost can be computed without memory; a model can be copied."""
    model = tiny_model(name)
    copy.deepcopy(model).to("meta").forecast(torch.empty(1, 2, 1, 9, 9, device="meta"), horizon=1)
    x = frames(1, 2, 1, 8, 8)
    assert copy.deepcopy(model).forecast(x, 1).equal(model.forecast(x, 1))


def test_auxiliary_loss(name: str) -> None:
    model = tiny_model(name)
    _, auxiliary = model(frames(2, 4, 1, 8, 8), context=2)
    assert auxiliary.shape == ()
    assert (auxiliary > 0) == (model.pyramid.shared is not None)


@pytest.mark.parametrize("scales", [(1,), (1, 2), (1, 2, 1), (2, 2, 1), (1, 2, 4, 8, 8, 4, 2, 1), (1, 2, 2, 2, 1)])
@pytest.mark.parametrize("skips", ["none", "mirror", "unet3+", "full"])
def test_any_pyramid(scales: tuple[int, ...], skips: str) -> None:
    for cell in CELLS:
        model = tiny_model(cell, scales=scales, skips=skips, hidden_channels=4)
        predictions, auxiliary = model(frames(1, 4, 1, 9, 8), context=2)
        (predictions.square().sum() + auxiliary).backward()
        assert predictions.shape == (1, 3, 1, 9, 8)
        assert all(gradient(parameter).ne(0).any() for parameter in model.parameters())


def test_a_plain_stack_is_the_pyramid_with_every_scale_1() -> None:
    plain, pyramid = tiny_model("predrnn"), tiny_model("ms-predrnn", scales=(1,) * 6)
    x = frames(1, 3, 1, 8, 8)
    assert plain.forecast(x, 2).equal(pyramid.forecast(x, 2))
    assert not plain.forecast(x, 2).equal(tiny_model("ms-predrnn").forecast(x, 2))


class Average(msrnn.Cell):
    """A user's own cell."""

    states = 1

    def __init__(self, channels: int, kernel_size: int, speed: float = 0.5) -> None:
        super().__init__(channels, kernel_size)
        self.mix = self.conv(2, 1)
        self.speed = speed

    def forward(self, x: Tensor, state: State) -> msrnn.Step:
        (h,) = state
        h = h + self.speed * torch.tanh(self.mix(torch.cat((x, h), dim=1)))
        return msrnn.Step(h, (h,))


def test_a_cell_of_ones_own() -> None:
    model = msrnn.create_model(Average, scales=PYRAMID, hidden_channels=4, speed=0.1)
    assert model.pyramid.sources == [[], [], [], [], [1], [0]]
    assert model.forecast(frames(1, 2, 1, 10, 10), horizon=3).shape == (1, 3, 1, 10, 10)
    with pytest.raises(ValueError, match="it has speed"):
        msrnn.create_model(Average, links=3)


class Dropping(Average):
    """Random inside: recomputation has to draw the same again."""

    def forward(self, x: Tensor, state: State) -> msrnn.Step:
        return super().forward(torch.nn.functional.dropout(x, 0.5), state)


def test_recomputation_draws_the_same() -> None:
    x = frames(1, 5, 1, 8, 8)
    gradients = []
    for mode in ("keep", "step", "sqrt"):
        torch.manual_seed(0)
        model = msrnn.create_model(Dropping, scales=(1, 1), hidden_channels=4, memory=mode)
        model(x, context=2)[0].sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(gradients[1], gradients[0])
    torch.testing.assert_close(gradients[2], gradients[0])


class Lacking(msrnn.Cell):
    states = 1


def test_a_cell_needs_a_forward() -> None:
    with pytest.raises(TypeError, match=r"Lacking.*forward"):
        msrnn.create_model(Lacking)


class Untyped(Average):
    def forward(self, x: Tensor, state: State) -> msrnn.Step:
        return tuple(super().forward(x, state))  # type: ignore[return-value]


class Forgetful(Average):
    climbs = True

    def forward(self, x: Tensor, state: State, m: Tensor | None = None) -> msrnn.Step:
        return super().forward(x, state)


def test_a_cell_has_to_return_what_it_declares() -> None:
    x = frames(1, 2, 1, 8, 8)
    with pytest.raises(TypeError, match=r"Untyped\.forward must return a msrnn\.Step, got tuple"):
        msrnn.create_model(Untyped, hidden_channels=4).forecast(x, horizon=1)
    with pytest.raises(TypeError, match=r"Forgetful\.forward must return m if"):
        msrnn.create_model(Forgetful, hidden_channels=4).forecast(x, horizon=1)


class Below(Average):
    previous = "below"


def test_layer_0_has_no_layer_below() -> None:
    with pytest.raises(ValueError, match="None in layer 0"):
        msrnn.create_model(Below)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ms-predrn"}, "no model 'ms-predrn'; choose from cms-lstm, convlstm"),
        ({"name": "trajgru", "window": 3}, "no option window for trajgru; it has links"),
        ({"name": "convlstm", "window": 3}, "no option window for convlstm; it has none of its own"),
        ({"name": "trajgru", "links": 0}, "links must be at least 1"),
        ({"name": "preciplstm", "window": 0}, "window must be at least 1"),
        ({"name": "motionrnn", "hidden_channels": 6}, "hidden_channels divisible by 4, got 6"),
        ({"name": "convlstm", "scales": (1, 4, 1)}, "equal or differ by a factor of 2, got 1 next to 4"),
        ({"name": "convlstm", "scales": (1, 3)}, "differ by a factor of 2"),
        ({"name": "convlstm", "scales": ()}, "positive integers"),
        ({"name": "convlstm", "scales": (1, 0)}, "positive integers"),
        ({"name": "convlstm", "scales": (1.5,)}, "positive integers"),
        ({"name": "convlstm", "scales": 2}, "positive integers"),
        ({"name": "convlstm", "skips": "unet"}, "no skips 'unet'; choose from none, mirror, unet3\\+, full"),
        ({"name": "convlstm", "memory": "less"}, "no memory mode 'less'; choose from keep, step, sqrt"),
        ({"name": "convlstm", "in_channels": 1, "out_channels": 2}, "must not exceed in_channels=1"),
        ({"name": "convlstm", "hidden_channels": 0}, "at least 1"),
        ({"name": "convlstm", "kernel_size": 4}, "odd and positive, got 4"),
        ({"name": "convlstm", "hidden_channels": "a"}, "hidden_channels must be a whole number, got 'a'"),
    ],
)
def test_what_is_not_possible_is_said(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        msrnn.create_model(**arguments)


def test_what_is_no_model() -> None:
    with pytest.raises(TypeError, match=r"subclass of msrnn\.Cell"):
        msrnn.create_model(torch.nn.Conv2d)  # type: ignore[arg-type]
