"""The recipes of the paper's data sets, from files in their own formats to scores."""

from pathlib import Path

import pytest
import torch
import yaml

from helpers.paper_files import write_germany, write_kth, write_taxibj
from msrnn.cli import main
from msrnn.nn.models import build_model
from msrnn.runs.directory import RunDirectory
from msrnn.scores.results import Evaluation
from msrnn.settings import DigitsSettings, settings_from

RECIPES = Path(__file__).parent.parent / "recipes"
WRITE = {
    "kth": lambda folder: write_kth(folder, 21),
    "taxibj": lambda folder: write_taxibj(folder, 60),
    "germany": lambda folder: write_germany(folder, "RYDL", 11),
}
PAPER = {"moving-mnist": (10, 10, 20), "kth": (10, 10, 20), "taxibj": (4, 4, 20), "germany": (5, 5, 16)}
"""Frames given, frames forecast, epochs (MS-RNN, arXiv 2206.03010, section 4)."""
PAPER_DATA: dict[str, dict[str, object]] = {
    "moving-mnist": {"digits": DigitsSettings(size=(64, 64), digit_size=28, number=2), "epoch_samples": 10000},
    "kth": {"frame_size": (88, 88), "actions": ("walking", "jogging", "running")},
    "taxibj": {"frame_size": None},  # 32x32 in the files
    "germany": {"frame_size": (124, 124), "z_r": "dwd"},
}


def recipe(name: str) -> Path:
    return RECIPES / f"{name}.yaml"


def test_every_recipe_names_its_precision() -> None:
    paths = list(RECIPES.glob("*.yaml"))
    assert paths
    assert all("precision" in yaml.safe_load(path.read_text()) for path in paths)
    small = {"model": {"name": "ms-convlstm"}, "precision": 32}  # needs no quotes
    assert settings_from(small).precision == "32"


@pytest.mark.slow
@pytest.mark.parametrize("of", PAPER)
def test_they_have_the_papers_settings_for_every_model(of: str, name: str) -> None:
    document = yaml.safe_load(recipe(of).read_text())
    document["model"]["name"] = name
    settings = settings_from(document)
    assert (settings.context, settings.horizon, settings.epochs) == PAPER[of]
    assert (settings.batch_size, settings.learning_rate, settings.loss) == (4, 3e-4, "paper")
    assert (settings.schedule, settings.warmup, settings.sampling, settings.precision) == ("constant", 0, None, "32")
    assert (settings.model.hidden_channels, settings.model.kernel_size) == (64, 3)
    assert {name: getattr(settings.data, name) for name in PAPER_DATA[of]} == PAPER_DATA[of]
    with torch.device("meta"):
        assert len(build_model(settings.model, 1).pyramid.cells) == 6


@pytest.mark.slow
@pytest.mark.parametrize("of", PAPER)
def test_they_run(tmp_path: Path, of: str) -> None:
    small = ["--model.hidden-channels", "2", "--data.epoch-samples", "8", "--epochs", "1", "--device", "cpu"]
    small += ["--data.validation-samples", "3", "--data.test-samples", "3"]
    if of in WRITE:
        small += ["--data.path", WRITE[of](tmp_path / "files")]
    run = tmp_path / "run"
    main(["train", "--config", str(recipe(of)), "--model", "ms-predrnn", *small, "--out", str(run)])
    main(["evaluate", str(run), "--device", "cpu"])
    evaluation = Evaluation.load(RunDirectory(run).scores)
    context, horizon, _ = PAPER[of]
    assert evaluation.leads == list(range(1, horizon + 1))
    assert evaluation.protocol["context"] == context
    assert evaluation.protocol["sequences"] > 0
    assert ("csi" in {score.name for score in evaluation.scores}) == (of == "germany")
