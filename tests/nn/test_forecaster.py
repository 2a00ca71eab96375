import copy
import gc
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import msrnn
from helpers.models import frames, gradient, tiny_model
from msrnn.analysis.counting import Meter


def hand_written(model: msrnn.Forecaster, x: Tensor, mask: Tensor) -> Tensor:
    """The roll-out of a plain ConvLSTM with frames of a size that fits, from the equations."""
    weights = dict(model.named_parameters())

    def conv(name: str, z: Tensor) -> Tensor:
        weight = weights[f"{name}.weight"]
        return functional.conv2d(z, weight, weights[f"{name}.bias"], padding=weight.shape[-1] // 2)

    depth = len(model.pyramid.cells)
    batch, length, _, height, width = x.shape
    h = [torch.zeros(batch, 4, height, width)] * depth
    c = list(h)
    own, predictions = x[:, 0], []
    for t in range(length - 1):
        frame = x[:, 0] if t == 0 else torch.stack([x[b, t] if mask[b, t] else own[b] for b in range(batch)])
        z = conv("embed", frame)
        for layer in range(depth):
            cell = f"pyramid.cells.{layer}"
            i, f, g, o = (conv(f"{cell}.conv_x2h", z) + conv(f"{cell}.conv_h2h", h[layer])).split(4, dim=1)
            c[layer] = f.sigmoid() * c[layer] + i.sigmoid() * g.tanh()
            h[layer] = o.sigmoid() * c[layer].tanh()
            z = h[layer]
        own = conv("head", z)
        predictions.append(own)
    return torch.stack(predictions, dim=1)


def test_roll_out_is_the_hand_written_loop() -> None:
    model = tiny_model("convlstm")
    x = frames(3, 6, 1, 8, 8)
    mask = torch.tensor([[0, 1, 1, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]], dtype=torch.bool)
    torch.testing.assert_close(model(x, context=2, truth_mask=mask)[0], hand_written(model, x, mask))
    context = torch.tensor([[True, True, False, False, False]]).expand(3, -1)
    torch.testing.assert_close(model(x, context=2)[0], hand_written(model, x, context))


def test_other_channels_with_a_mask() -> None:
    """In the context a frame that is not fed leaves the other channels as they were; afterwards they stand still."""
    model = tiny_model("convlstm", in_channels=2, out_channels=1)
    x = frames(1, 5, 2, 8, 8)
    mask = torch.tensor([[True, True, False, True]])
    predictions, _ = model(x, context=3, truth_mask=mask)
    own, state = model.step(x[:, 0])
    own, state = model.step(x[:, 1], state)
    own, state = model.step(torch.cat((own, x[:, 1, 1:]), dim=1), state)
    own, state = model.step(torch.cat((x[:, 3, :1], x[:, 1, 1:]), dim=1), state)
    assert predictions[:, -1].equal(own)


def test_frames_that_fit_are_not_padded() -> None:
    model = tiny_model("ms-motionrnn")
    assert model.pyramid.multiple == 8
    frame = frames(1, 1, 16, 24)
    x = model.embed(frame)
    top, _, _ = model.pyramid(x, model.pyramid.initial_state(1, 16, 24))
    assert model.step(frame)[0].equal(model.head(top))


def test_step_is_differentiable() -> None:
    model = tiny_model("ms-predrnn")
    x = frames(1, 2, 1, 8, 8).requires_grad_()
    _, state = model.step(x[:, 0])
    model.step(x[:, 1], state)[0].sum().backward()
    assert gradient(x)[:, 0].abs().sum() > 0
    assert gradient(x)[:, 1].abs().sum() > 0


def test_forecast_takes_no_gradient() -> None:
    assert not tiny_model("convlstm").forecast(frames(1, 2, 1, 8, 8), horizon=1).requires_grad


def test_leads_are_the_forecast_without_gradients() -> None:
    model = tiny_model("ms-predrnn", in_channels=2, out_channels=1)
    x = frames(1, 2, 2, 8, 8)
    leads = list(model.leads(x, 3))
    assert torch.stack(leads, dim=1).equal(model.forecast(x, horizon=3))
    assert not any(lead.requires_grad for lead in leads)
    assert torch.is_grad_enabled()
    with pytest.raises(ValueError, match="horizon must be a whole number"):
        model.leads(x, 0)  # before the first is asked for


def test_forecasts_leave_nothing_behind() -> None:
    model = tiny_model("ms-convlstm")
    x = frames(1, 2, 1, 8, 8)
    with Meter() as meter:
        for _ in range(3):
            model.forecast(x, horizon=2)
    gc.collect()
    assert meter.peak > 0
    assert meter.alive == 0


def test_padding_repeats_the_last_row_and_column() -> None:
    model = tiny_model("ms-convlstm")
    frame = frames(1, 1, 7, 9)
    rows, columns = torch.arange(8).clamp(max=6), torch.arange(12).clamp(max=8)
    whole, _ = model.step(frame[:, :, rows][..., columns])
    assert model.step(frame)[0].equal(whole[..., :7, :9])


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # of torch itself
@pytest.mark.parametrize("compiled_model", ["ms-predrnn-v2", "ms-motionrnn", "trajgru"])
def test_compiles_without_a_break(compiled_model: str) -> None:
    model = tiny_model(compiled_model, scales=(1, 2, 1))
    x = frames(1, 3, 1, 8, 8)
    compiled = torch.compile(model.forward, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, context=2), model(x, context=2))


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # of torch itself
def test_is_compiled_once_for_training_and_once_for_forecasts() -> None:
    model = tiny_model("ms-motionrnn", scales=(1, 2, 1)).double()
    compiled = copy.deepcopy(model)
    graphs = []

    def backend(graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compiled.compile(backend=backend, fullgraph=True, dynamic=False)
    x = frames(1, 4, 1, 8, 8).double()
    for memory in ("keep", "step"):
        compiled.memory = memory
        for one in (model, compiled):
            one.zero_grad()
            one(x, context=2)[0].square().mean().backward()
        for expected, weight in zip(model.parameters(), compiled.parameters(), strict=True):
            torch.testing.assert_close(weight.grad, expected.grad)
    assert len(graphs) == 1
    torch.testing.assert_close(compiled.forecast(x[:, :2], 3), model.forecast(x[:, :2], 3))
    assert len(graphs) == 2
    copy.deepcopy(compiled).forecast(x[:, :1], 1)  # a copy is not compiled
    assert len(graphs) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: m(x[0], context=2), r"frames must be \(batch, time, channel, y, x\), got shape \(5, 1, 8, 8\)"),
        (lambda m, x: m(x.expand(-1, -1, 3, -1, -1), context=2), "3 channels, the model wants 1"),
        (lambda m, x: m(x, context=5), "less than the 5 frames given, got 5"),
        (lambda m, x: m(x, context=0), "at least 1"),
        (lambda m, x: m((255 * x).byte(), context=2), r"floating point, in \[0, 1\], got torch.uint8"),
        (lambda m, x: m(x[..., :0], context=2), "empty"),
        (lambda m, x: m(x, context=2, truth_mask=torch.ones(2, 5, dtype=torch.bool)), r"\(2, 4\), got torch.bool"),
        (lambda m, x: m(x, context=2, truth_mask=torch.ones(2, 4)), "must be bool"),
        (lambda m, x: m.forecast(x, horizon=0), "horizon 0"),
        (lambda m, x: m.forecast(x, horizon=1.5), "whole number"),
        (lambda m, x: m.forecast(x.numpy(), horizon=1), r"must be a torch\.Tensor .*, got ndarray"),
        (lambda m, x: m.forecast(x.double(), horizon=1), r"float64, the model torch\.float32"),
        (lambda m, x: m.forecast(x[:, 0], horizon=1), "frames must be"),
        (lambda m, x: m.step(x), r"frame must be \(batch, channel, y, x\)"),
        (lambda m, x: m.step(x[:1, 0], m.step(x[:, 0])[1]), "start again with state=None"),
        (lambda m, x: m.step(x[:, 0, :, :4], m.step(x[:, 0])[1]), "start again with state=None"),
    ],
)
def test_what_does_not_fit_is_said(call: Callable[[msrnn.Forecaster, Tensor], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(tiny_model("ms-convlstm"), frames(2, 5, 1, 8, 8))
