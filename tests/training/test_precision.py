"""The precision that a training chooses by itself."""

from pathlib import Path
from typing import Any

import pytest
import torch

import msrnn
from msrnn.errors import SettingsError
from msrnn.runs.directory import RunDirectory
from msrnn.settings import ModelSettings
from msrnn.training import precision
from msrnn.training.precision import choose_precision

MODEL = ModelSettings("ms-convlstm", hidden_channels=4)
CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "model": {"name": "ms-convlstm", "hidden_channels": 4},
    "data": {
        "name": "moving-mnist",
        "digits": {"size": (16, 16), "digit_size": 8},
        "epoch_samples": 8,
        "validation_samples": 2,
    },
    "context": 2,
    "horizon": 2,
    "epochs": 1,
    "device": "cpu",
}


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: True)


def times_as_fast(ratio: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_times_as_fast", lambda *arguments: ratio)


def test_float32_without_fast_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: False)
    assert choose_precision(MODEL, (1, 16, 16), 4, CPU) == ("32", "precision auto: 32; cpu has no fast bfloat16")


@pytest.mark.usefixtures("fast")
def test_what_is_faster_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    times_as_fast(1.93, monkeypatch)
    said = "precision auto: bf16; bf16 is 1.93 times as fast as 32 here"
    assert choose_precision(MODEL, (1, 16, 16), 4, CPU) == ("bf16", said)
    times_as_fast(0.8, monkeypatch)
    said = "precision auto: 32; bf16 is 0.80 times as fast as 32 here, 1.2 would be enough"
    assert choose_precision(MODEL, (1, 16, 16), 4, CPU) == ("32", said)


@pytest.mark.usefixtures("fast")
def test_bfloat16_must_be_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for ratio, chosen in ((1.19, "32"), (1.2, "bf16")):
        times_as_fast(ratio, monkeypatch)
        assert choose_precision(MODEL, (1, 16, 16), 4, CPU)[0] == chosen


@pytest.mark.usefixtures("fast")
def test_it_is_measured_and_leaves_nothing() -> None:
    state = torch.random.get_rng_state()
    chosen, said = choose_precision(MODEL, (2, 300, 8), 1, CPU)
    assert chosen in ("32", "bf16")
    assert "times as fast as 32 here" in said
    assert torch.random.get_rng_state().equal(state)


@pytest.mark.usefixtures("fast")
def test_several_processes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    times_as_fast(0.8, monkeypatch)
    assert choose_precision(MODEL, (1, 16, 16), 4, CPU, processes=2)[0] == "bf16"


@pytest.mark.usefixtures("fast")
def test_a_run_stores_what_auto_came_to_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times_as_fast(2, monkeypatch)
    msrnn.train(out=tmp_path / "run", **SMALL)
    assert "precision auto: bf16" in capsys.readouterr().err
    assert RunDirectory(tmp_path / "run").settings().precision == "bf16"
    times_as_fast(0.5, monkeypatch)
    for again in (SMALL, SMALL | {"precision": "auto"}):
        msrnn.train(out=tmp_path / "run", resume=True, **again)
        assert RunDirectory(tmp_path / "run").settings().precision == "bf16"
    assert "precision auto" not in capsys.readouterr().err
    with pytest.raises(SettingsError, match="cannot change precision: it is bf16"):
        msrnn.train(out=tmp_path / "run", resume=True, **SMALL, precision="32")
