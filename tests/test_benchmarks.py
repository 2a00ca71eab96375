"""Every script in `benchmarks/` runs, on little."""

import importlib
import json
import re
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from helpers import formats
from msrnn.cli import main

FOLDER = Path(__file__).parent.parent / "benchmarks"
LIBRARIES = {"openstl_peers", "transcription"}
SMALL = {
    "flops": ["--cells", "convlstm"],
    "forecast": ["--models", "recipes/fast.yaml", "--size", "32", "40", "--context", "2", "--horizon", "3"],
    "full_resolution": ["--size", "16"],
    "gradient_norms": ["--models", "ms-convlstm", "--steps", "2", "--frames", "1"],
    "half_state": ["--models", "ms-convlstm", "--steps", "2"],
    "memory": ["--models", "ms-convlstm"],
    "speed": ["--models=ms-predrnn++", "--size=16", "--hidden=4", "--context=2", "--horizon=2", "--repeats=1"],
}
ELSEWHERE = {"gpu", "knmi", "loading", "report_knmi", "screenshot", "time_to_quality"}
"""Need files, a browser or a GPU: tests of their own below."""
RAIN = (24, 28)
Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a script as from a shell, in this process, and return what it printed."""

    def run_it(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [f"benchmarks/{name}.py", *map(str, arguments)])
        monkeypatch.syspath_prepend(FOLDER)
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run_it


def rows(text: str) -> list[list[str]]:
    """The rows of all Markdown tables, without headings and rules."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    rules = [place for place, cells in enumerate(lines) if all(re.fullmatch(r":?-+:?", cell) for cell in cells)]
    assert all(len(lines[place - 1]) == len(lines[place]) for place in rules)
    return [cells for place, cells in enumerate(lines) if place not in rules and place + 1 not in rules]


def test_every_script_is_run() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py")}
    assert scripts == SMALL.keys() | ELSEWHERE | LIBRARIES


def test_flops(run: Run) -> None:
    found = rows(run("flops", *SMALL["flops"]))
    assert [cells[0] for cells in found] == ["convlstm"]
    assert all(0 < float(cells[4]) < 0.5 for cells in found)


def test_forecast(run: Run) -> None:
    found = rows(run("forecast", *SMALL["forecast"]))
    assert [cells[:3] for cells in found] == [
        ["recipes/fast.yaml", precision, kept] for precision in ("32", "bf16") for kept in ("no", "yes")
    ]
    for *_, seconds, system, mib in found:
        assert float(seconds) >= 0
        assert 0 <= float(system.rstrip("%")) <= 100
        assert 50 < float(mib.replace(",", "")) < 10_000


@pytest.mark.slow
def test_full_resolution(run: Run) -> None:
    text = run("full_resolution", *SMALL["full_resolution"])
    assert re.search(r"ms-predrnn, 16x16, 5 -> 5, sqrt, precision 32\nloss 0\.\d{4}, ", text)
    assert "foretold" in text


def test_gradient_norms(run: Run) -> None:
    ((name, frame, *_, least, mean, largest),) = rows(run("gradient_norms", *SMALL["gradient_norms"]))
    assert (name, frame) == ("ms-convlstm", "16x16")
    assert 0 < float(least) <= float(mean) <= float(largest)


@pytest.mark.slow
def test_half_state(run: Run) -> None:
    ((name, *numbers),) = rows(run("half_state", *SMALL["half_state"]))
    assert name == "ms-convlstm"
    assert all(0 < float(number) < 1 for number in numbers)


def test_memory(run: Run) -> None:
    ((name, *numbers),) = rows(run("memory", *SMALL["memory"]))
    assert name == "ms-convlstm"
    saved, peaks = list(map(float, numbers))[::2], list(map(float, numbers))[1::2]
    assert saved == sorted(saved, reverse=True)
    assert all(peak > kept for kept, peak in zip(saved, peaks, strict=True))


@pytest.mark.slow
def test_speed(run: Run) -> None:
    first, second = rows(run("speed", *SMALL["speed"]))
    assert (first[0], second[0]) == ("ms-predrnn++", "ms-predrnn++")
    assert all(float(cell) > 0 for cell in (*first[4:], second[1]))


def knmi(folder: Path, count: int, size: tuple[int, int] = RAIN) -> Path:
    folder.mkdir()
    values = np.zeros((count, *size))
    for t in range(count):
        values[t, 6:16, t % 12 : t % 12 + 8] = 0.06 + 0.02 * (t % 3)
    formats.write_knmi(folder, values)
    return folder


def test_loading(run: Run, tmp_path: Path) -> None:
    files = knmi(tmp_path / "files", 72)
    main(["data", "convert", str(files), "--to", str(tmp_path / "rain.zarr")])
    small = ("--steps", 2, "--hidden-channels", 4, "--crop", 16, "--workers", 0)
    ((workers, *cells),) = rows(run("loading", tmp_path / "rain.zarr", *small))
    assert workers == "0"
    assert [cell.split()[-1][-1] for cell in cells] == ["s", "s", "%"]


TRAINING = ["--model.hidden-channels=4", "--data.crop=16", "--data.epoch-samples=4", "--batch-size=2", "--epochs=1"]


@pytest.mark.slow
def test_knmi(run: Run, tmp_path: Path) -> None:
    files = knmi(tmp_path / "files", 63)
    text = run("knmi", files, "--out", tmp_path / "run", "--lead-times", 2, *TRAINING)
    found = rows(text)
    assert [cells[0] for cells in found] == ["5", "10", "mean"]
    assert all(0 <= float(cell) <= 1 for cells in found for cell in cells[1:])


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of pysteps
def test_report_knmi(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("pysteps")
    files = knmi(tmp_path / "files", 72)
    text = run("report_knmi", files, "--out", tmp_path / "out", "--size", *RAIN, "--horizon", 2, *TRAINING)
    assert text.count("Protocol forecast") == 2
    page = (tmp_path / "out" / "report.html").read_text()
    assert "ms-convlstm - ms-predrnn" in page


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromedriver") is None, reason="needs Chromium")
def test_screenshot(run: Run, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        "<article class='sequence' data-context='2'><input type='range' max='9'></article><section id='scores'>"
    )
    run("screenshot", tmp_path / "page.html", tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size == (1160, 770 + 778)


CHECKOUT = """
import pywt
import torch
from timm.layers import DropPath, trunc_normal_

class ConvLSTM_Model(torch.nn.Module):
    def __init__(self, layers, hidden, settings):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(settings.patch_size**2))
        trunc_normal_(self.weight)
    def forward(self, frames, mask, return_loss):
        return frames[:, :-1] * self.weight, None

class SimVP_Model(torch.nn.Module):
    def __init__(self, in_shape, model_type, width):
        super().__init__()
        self.branch = DropPath(0.5)
        self.layer = torch.nn.Conv2d(1, 1, width, padding=width // 2)
    def forward(self, frames):
        made = self.layer(frames.view(-1, *frames.shape[2:])).view(frames.shape)
        return frames + self.branch(made)
"""
PLAN = """
data:
  small:
    {context: 3, horizon: 4, batch_size: 2, loss: mse, device: cpu,
     data: {digits: {size: [16, 16], digit_size: 8}, validation_samples: 70, test_samples: 12}}
contenders:
  ours: {settings: {curriculum: 0.5, model: &model {name: ms-convlstm, hidden_channels: 4, patch: 4}}}
  changed: {optimizer: AdamW, free_running: true, horizon_only: true, truncate: 2, first_kernel: 3,
            settings: {model: *model}, against: ours}
  recurrent: {peer: {model: ConvLSTM_Model, hidden: 4, layers: 2, patch: 2}, against: ours}
  simvp: {peer: {model: SimVP, width: 3}, against: ours}
trainings:
  - {stage: final, data: small, contenders: [ours, changed, recurrent, simvp], precisions: [bf16, "32"],
     learning_rates: [1.0e-3], seconds: [0.2, 0.4], seeds: [0, 1], split: test, sequences: 12}
"""


def test_time_to_quality(run: Run, tmp_path: Path) -> None:
    """Contenders are trained once each; without OpenSTL's source its models are left out, and the table says so."""
    checkout, out, plan = tmp_path / "OpenSTL", tmp_path / "out", tmp_path / "plan.yaml"
    (checkout / "openstl").mkdir(parents=True)
    (checkout / "openstl" / "__init__.py").write_text("")
    (checkout / "openstl" / "models.py").write_text(CHECKOUT)
    plan.write_text(PLAN)
    one = ("train", plan, "--out", out, "--only", "bf16", "0.2s", "seed0")
    with pytest.raises(SystemExit, match="some trainings failed"):
        run("time_to_quality", *one)
    run("time_to_quality", "measure", plan, "--out", out)
    run("time_to_quality", *one)
    names = {path.name.split("-")[1] for path in out.glob("final-*")}
    assert names == {"ours", "changed"}
    assert "OpenSTL's models are left out" in run("time_to_quality", "table", out)
    made = {path: path.stat().st_mtime_ns for path in out.glob("final-*")}
    before = json.loads((out / "costs.json").read_text())
    run("time_to_quality", "measure", plan, "--out", out, "--openstl", checkout)
    costs = json.loads((out / "costs.json").read_text())
    assert (len(before), len(costs)) == (4, 8)
    assert all(seconds > 0 for cost in costs.values() for seconds in cost["seconds"])
    run("time_to_quality", *one, "--openstl", checkout)
    names = {path.name.split("-")[1] for path in out.glob("final-*")}
    assert names == {"ours", "changed", "recurrent", "simvp"}
    assert {path: path.stat().st_mtime_ns for path in made} == made
    run("time_to_quality", "train", plan, "--out", out, "--only", "ours-bf16", "seed1", "--jobs", 2)
    text = run("time_to_quality", "table", out, "--figure", tmp_path / "figure.svg")
    assert "left out" not in text
    found = {(cells[0], cells[4]): cells for cells in rows(text)}
    assert {key: cells[5] for key, cells in found.items()} == {
        ("ours", "0.2"): "2", ("ours", "0.4"): "1", ("changed", "0.2"): "1", ("recurrent", "0.2"): "1",
        ("simvp", "0.2"): "1",
    }  # fmt: skip
    for cells in found.values():
        assert float(cells[10]) > 0
        assert -1 <= float(cells[11]) <= 1
    ratio, low, high = map(float, re.findall(r"[\d.]+", found["simvp", "0.2"][12].removeprefix("ours: ")))
    assert low <= ratio <= high
    assert (tmp_path / "figure.svg").exists()


def test_a_training_for_quality_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    script = importlib.import_module("time_to_quality")
    monkeypatch.setattr(script, "CHECKPOINT", 0)
    plan = yaml.safe_load(PLAN)
    training = next(script.trainings(plan))
    checkpoint = tmp_path / "last.pt"
    cost = script.Cost(0.01, 0.03)
    assert [cost.of(horizon, 5) for horizon in (1, 3, 5)] == pytest.approx([0.01, 0.02, 0.03])
    whole = script.Trainer(training, None, cost)
    expected = whole.run(tmp_path / "whole.pt", print)
    first = script.Trainer(training, None, cost)
    advance = first.advance

    def stop() -> None:
        if first.step == 3:
            raise KeyboardInterrupt
        advance()

    first.advance = stop
    with pytest.raises(KeyboardInterrupt):
        first.run(checkpoint, print)
    second = script.Trainer(training, None, cost)
    resumed = second.run(checkpoint, print)
    assert resumed["steps"] == expected["steps"] > 4
    assert resumed["scores"] == expected["scores"]
    for name, weight in whole.model.state_dict().items():
        assert second.model.state_dict()[name].equal(weight)


def test_gpu_tells_its_options(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run("gpu", "--help")
    assert "--at-once" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu(run: Run) -> None:
    assert "ms-convlstm" in run("gpu", "--models", "ms-convlstm", "--check")
