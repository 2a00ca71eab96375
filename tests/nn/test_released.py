"""Numbers: the released code's, where $MSRNN_REFERENCE_VECTORS names a folder of them, and our own in tests/vectors."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import msrnn
from helpers.models import folder, frames, gradient, tiny_model
from helpers.parity import VECTORS, compare, load, named, read_vectors
from msrnn.nn.cells.base import State
from msrnn.nn.cells.trajgru import TrajGRU
from msrnn.nn.models import MODELS
from msrnn.nn.released import RELEASED, Released, released_row
from msrnn.training.losses import paper

OURS = Path(__file__).parents[1] / "vectors"


def test_the_folder_of_vectors_has_our_models() -> None:
    folder("MSRNN_REFERENCE_VECTORS")
    found = [named(path)[0] for path in VECTORS]
    assert set(found) == set(MODELS)
    assert found.count("ms-convlstm") == 4


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_parity_with_the_released_code(path: Path) -> None:
    agreement = compare(path)
    assert agreement.prediction <= 1e-5
    assert agreement.loss <= 1e-5
    assert agreement.gradient <= 1e-4
    if named(path)[0].removeprefix("ms-") not in ("mim", "motionrnn"):  # they have lost a forget gate too
        assert agreement.parameters == int(read_vectors(path).metadata["parameters"]) - agreement.unused


@pytest.mark.parametrize("released", ["predrnn++", "mim", "motionrnn"])
def test_only_weights_that_feed_nothing_are_dropped(released: str) -> None:
    folder("MSRNN_REFERENCE_VECTORS")
    path = next(path for path in VECTORS if path.stem.lower() == released)
    vectors = read_vectors(path)
    for key in json.loads(vectors.metadata["no_gradient"]):
        del vectors.weights[key]
    model = load(vectors.weights, vectors.name, **vectors.options)
    assert model.forecast(vectors.tensors["frames"], 1).isfinite().all()


def own_weights(model: msrnn.Forecaster) -> None:
    """Set every weight from a formula."""
    for number, parameter in enumerate(model.parameters()):
        steps = torch.arange(parameter.numel(), dtype=torch.float64) + 1
        fan = max(parameter[0].numel(), 1)
        parameter.data = (torch.sin(steps * (1.3 + 0.1 * number)) * (2 / fan) ** 0.5).reshape(parameter.shape).float()


def own_numbers(name: str) -> dict[str, Tensor]:
    """In float64: gradients of attention cancel so far that in float32 they depend on the processor."""
    model = tiny_model(name)
    own_weights(model)
    model.double()
    x = frames(1, 5, 1, 8, 8).double()
    predictions, auxiliary = model(x, context=2)
    loss = paper(predictions, x[:, 1:], torch.ones_like(predictions)) + auxiliary
    loss.backward()
    norms = torch.stack([gradient(parameter).norm() for parameter in model.parameters()])
    return {"frames": x, "predictions": predictions.detach(), "loss": loss.detach().reshape(1), "gradient_norms": norms}


def test_our_own_numbers(name: str) -> None:
    """`PYTHONPATH=tests python tests/nn/test_released.py` recorded them when they agreed with the released code's."""
    expected = load_file(OURS / f"{name}.safetensors")
    torch.testing.assert_close(own_numbers(name), expected, rtol=1e-4, atol=1e-5)


def released_convlstm(layers: int = 6, channels: int = 4) -> dict[str, Tensor]:
    """Weights under the released names, from a model of ours."""
    ends = {"embed.": "embed.conv_embed.", "head.": "fc.conv_fc."}
    names = {}
    for key, weight in tiny_model("convlstm", hidden_channels=channels, scales=(1,) * layers).state_dict().items():
        name = re.sub(r"^pyramid\.cells\.(\d+)\.", r"rnns.lstm.\1._", key)
        for ours, released in ends.items():
            name = name.replace(ours, released) if name.startswith(ours) else name
        names[name] = weight
    return names


def test_reading_a_file(tmp_path: Path) -> None:
    weights = {f"module.{key}": weight for key, weight in released_convlstm().items()}
    save_file(weights, tmp_path / "weights.safetensors")
    torch.save(weights, tmp_path / "weights.pt")
    x = frames(1, 2, 1, 8, 8)
    expected = tiny_model("ms-convlstm").forecast(x, 2)
    for path in ("weights.safetensors", "weights.pt"):
        assert msrnn.from_reference(tmp_path / path, "ms-convlstm").forecast(x, 2).equal(expected)
    assert msrnn.from_reference(str(tmp_path / "weights.pt"), "ms-convlstm").forecast(x, 2).equal(expected)


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (os.environ["MSRNN_TEST_MALICIOUS"],))


def test_pickled_code_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSRNN_TEST_MALICIOUS", str(tmp_path / "made"))
    torch.save({"embed.conv_embed.weight": Malicious()}, tmp_path / "weights.pt")
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        msrnn.from_reference(tmp_path / "weights.pt", "convlstm")
    assert not (tmp_path / "made").exists()


def test_options_are_read_off_the_weights() -> None:
    model = msrnn.from_reference(
        released_convlstm(layers=4, channels=5), "convlstm", scales=(1, 2, 2, 1), memory="step"
    )
    assert model.pyramid.channels == 5
    assert len(msrnn.from_reference(released_convlstm(layers=4), "convlstm").pyramid.cells) == 4
    assert model.memory == "step"
    weights = released_convlstm()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"hidden_channels": 8}, "hidden_channels=8 contradicts the weights, which have hidden_channels=4"),
        ({"kernel_size": 5}, "kernel_size=5 contradicts"),
        ({"in_channels": 2}, "in_channels=2 contradicts"),
        ({"scales": (1, 1)}, "the weights have 6 layers"),
        ({"links": 3}, "no option links"),
    ]
    for options, message in wrong:
        with pytest.raises(ValueError, match=message):
            msrnn.from_reference(weights, "convlstm", **options)


def test_wrong_weights() -> None:
    weights = released_convlstm()
    with pytest.raises(ValueError, match="unknown weight '_conv_new\\.weight' in layer 2"):
        msrnn.from_reference(weights | {"rnns.lstm.2._conv_new.weight": torch.zeros(1)}, "convlstm")
    with pytest.raises(ValueError, match="unknown weight 'optimizer'"):
        msrnn.from_reference(weights | {"optimizer": torch.zeros(1)}, "convlstm")
    with pytest.raises(ValueError, match=r"no place for 1 of the weights, among them pyramid\.shared\.weight"):
        msrnn.from_reference(weights | {"rnns.adapter.weight": torch.zeros(1)}, "convlstm")
    with pytest.raises(
        ValueError, match=r"pyramid\.cells\.0\.conv_h2h\.bias is \(16,\) in the model, \(3,\) in the weights"
    ):
        msrnn.from_reference(weights | {"rnns.lstm.0._conv_h2h.bias": torch.zeros(3)}, "convlstm")
    for key, message in [
        ("rnns.lstm.3._conv_h2h.bias", r"lack 1 of the model's, among them pyramid.cells.3.conv_h2h.bias"),
        ("embed.conv_embed.weight", r"lack embed.conv_embed.weight"),
    ]:
        with pytest.raises(ValueError, match=message):
            msrnn.from_reference({k: weight for k, weight in weights.items() if k != key}, "convlstm")
    with pytest.raises(ValueError, match="no complete set of layers"):
        msrnn.from_reference({}, "convlstm")
    with pytest.raises(ValueError, match="is there twice"):
        msrnn.from_reference(weights | {"rnns.lstms.0._conv_h2h.bias": torch.zeros(16)}, "convlstm")
    with pytest.raises(ValueError, match=r"unknown weight '_conv_h2h\.weight'"):
        msrnn.from_reference(weights, "trajgru")
    with pytest.raises(ValueError, match=r"'_conv_x2h.bias' in layer 1 has an unexpected shape \(3,\)"):
        msrnn.from_reference(weights | {"rnns.lstm.1._conv_x2h.bias": torch.zeros(3)}, "mim")
    with pytest.raises(FileNotFoundError):
        msrnn.from_reference("nowhere.safetensors", "convlstm")


@pytest.mark.parametrize("released", ["TrajGRU", "MS-MotionRNN"])
def test_corrected_operators_warn_once(released: str) -> None:
    path = folder("MSRNN_REFERENCE_VECTORS") / f"{released}.safetensors"
    weights = read_vectors(path).weights
    with pytest.warns(UserWarning, match=r"corrected.*differ from those of the released code") as caught:
        msrnn.from_reference(weights, released.lower())
    assert len(caught) == 1


class Own(msrnn.Cell):
    states = 1

    def forward(self, x: Tensor, state: State) -> msrnn.Step:
        return msrnn.Step(x, (x,))


class Variant(TrajGRU):
    pass


def test_a_cell_without_a_row_has_that_of_its_base() -> None:
    assert released_row(Variant) is RELEASED[TrajGRU]
    assert released_row(Own) == Released()
    assert Released().name("_conv_x.weight") == "conv_x.weight"


if __name__ == "__main__":
    OURS.mkdir(exist_ok=True)
    for model_name in msrnn.list_models():
        save_file(own_numbers(model_name), OURS / f"{model_name}.safetensors")
