"""Models that work on patches of pixels."""

import pytest
import torch
from torch import Tensor

import msrnn
from helpers.models import frames, gradient, tiny_model
from msrnn.nn.forecaster import PATCHES


def to_depth(x: Tensor, patch: int) -> Tensor:
    """Pixels of each patch as channels: (..., channel, y, x) to (..., channel * patch^2, y / patch, x / patch)."""
    rows = [x[..., row::patch, column::patch] for row in range(patch) for column in range(patch)]
    return torch.stack(rows, dim=-3).flatten(-4, -3)


def test_is_the_model_of_the_patches_pixels(name: str) -> None:
    """With its weights, a model that gets each patch's pixels as channels makes the same forecast."""
    model = tiny_model(name, patch=2, in_channels=2, out_channels=2)
    of_pixels = tiny_model(name, in_channels=8)
    of_pixels.load_state_dict(model.state_dict())
    x = frames(2, 3, 2, 32, 64)
    assert to_depth(model.forecast(x, horizon=2), 2).equal(of_pixels.forecast(to_depth(x, 2), horizon=2))


@pytest.mark.parametrize("patch", PATCHES)
def test_any_frame_size(patch: int) -> None:
    model = tiny_model("ms-predrnn", patch=patch)
    for size in ((1, 1), (13, 10), (37, 53)):
        x = frames(2, 3, 1, *size)
        forecast = model.forecast(x, horizon=2)
        assert forecast.shape == (2, 2, 1, *size)
        own, state = model.step(x[:, 0])
        for t in (1, 2):
            own, state = model.step(x[:, t], state)
        assert forecast[:, 0].equal(own)
        assert forecast[:, 1].equal(model.step(own, state)[0])


def test_other_channels_keep_their_value() -> None:
    """A model of fewer output channels is fed whole frames again, patch by patch."""
    model = tiny_model("ms-convlstm", patch=4, in_channels=2, out_channels=1)
    x = frames(1, 2, 2, 16, 16)
    own, state = model.step(x[:, 0])
    own, state = model.step(x[:, 1], state)
    again, _ = model.step(torch.cat((own, x[:, 1, 1:]), dim=1), state)
    assert model.forecast(x, horizon=2).equal(torch.stack((own, again), dim=1))


@pytest.mark.parametrize("skips", ["none", "unet3+", "full"])
def test_memory_modes_and_skips(skips: str) -> None:
    model = tiny_model("ms-predrnn", patch=2, scales=(1, 2, 4, 2), skips=skips)
    x = frames(1, 6, 1, 12, 20)
    results = []
    for mode in ("keep", "step", "sqrt"):
        model.memory = mode
        model.zero_grad()
        predictions, _ = model(x, context=3)
        predictions.square().sum().backward()
        results.append([predictions.detach(), *(gradient(parameter).clone() for parameter in model.parameters())])
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-5, atol=1e-6)


def test_weights_have_the_same_names() -> None:
    plain, patched = (msrnn.create_model("ms-convlstm", hidden_channels=4, patch=patch) for patch in (1, 4))
    assert patched.state_dict().keys() == plain.state_dict().keys()
    assert plain.embed.weight.shape == (4, 1, 1, 1)
    assert patched.embed.weight.shape == (4, 16, 1, 1)
    assert patched.head.weight.shape == (16, 4, 1, 1)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # of torch itself
def test_compiles_and_exports() -> None:
    model = tiny_model("ms-convlstm", patch=4, scales=(1, 2, 1)).eval()
    x = frames(1, 3, 1, 16, 16)
    compiled = torch.compile(model.forward, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, context=2), model(x, context=2))

    class Step(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, frame: Tensor) -> Tensor:
            return self.model.step(frame)[0]

    with torch.no_grad():
        exported = torch.export.export(Step(), (x[:, 0],)).module()
        torch.testing.assert_close(exported(x[:, 0]), model.step(x[:, 0])[0])


@pytest.mark.parametrize("patch", [0, 3, 16])
def test_other_patches_are_refused(patch: int) -> None:
    with pytest.raises(ValueError, match=f"patch must be one of 1, 2, 4, 8, got {patch}"):
        msrnn.create_model("ms-convlstm", patch=patch)
