"""Experiments: tables of trials, what is done of them, what they say."""

import csv
import errno
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml

from helpers.processes import assert_same, start
from msrnn.analysis.workload import cost_of, workload_of
from msrnn.cli import main
from msrnn.errors import SettingsError, StoppedError
from msrnn.experiment.comparison import Difference, difference, with_deviation
from msrnn.experiment.plan import Document, frames_of, read_plan, training_bytes
from msrnn.experiment.workers import run_missing
from msrnn.runs.directory import RunDirectory
from msrnn.scores import Score
from msrnn.scores.results import MODEL, Evaluation, ScoreRow, resample_key
from msrnn.settings import ModelSettings, RunSettings, merged, settings_from

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SETTINGS = {
    "model": {"hidden_channels": 4},
    "data": {
        "digits": {"size": [16, 16], "digit_size": 8},
        "epoch_samples": 20,
        "validation_samples": 4,
        "test_samples": 12,
    },
    "context": 2,
    "horizon": 2,
    "epochs": 2,
    "device": "cpu",
}
TABLE = {"title": "Two", "settings": SETTINGS, "models": ["convlstm", "ms-convlstm"], "seeds": [0, 1]}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "table.yaml"
    path.write_text(yaml.safe_dump(TABLE | changes, sort_keys=False))
    return path


def test_a_plan(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"context": 3, "horizon": 2, "model": {"kernel_size": 5}}))
    models = [
        "ms-convlstm",
        {"label": "bare", "name": "ms-convlstm", "skips": "none", "against": "ms-convlstm"},
        "convlstm",
    ]
    data = {"slow": {"data": {"digits": {"speed": [0.01, 0.02]}}}, "fast": None}
    table = write(tmp_path, recipe="recipe.yaml", models=models, data=data, seeds=[3])
    plan = read_plan(table, tmp_path / "out")
    assert [(trial.data, trial.model) for trial in plan.trials] == [
        (place, model) for place in ("slow", "fast") for model in ("ms-convlstm", "bare", "convlstm")
    ]
    assert plan.against == {"ms-convlstm": "convlstm", "bare": "ms-convlstm"}
    trial = plan.of("slow", "bare")[0]
    settings = settings_from(trial.document)
    assert (settings.seed, settings.context, settings.model.skips, settings.model.kernel_size) == (3, 2, "none", 5)
    assert tuple(settings.data.digits.speed) == (0.01, 0.02)
    assert settings.data.epoch_samples == 20
    assert (trial.path.parent.parent, trial.path.name) == (tmp_path / "out" / "trials", "seed-3")
    assert len({trial.path for trial in plan.trials}) == 6
    assert plan.folder == tmp_path / "out" / "table"


def test_trials_are_known_by_their_settings(tmp_path: Path) -> None:
    """Whatever the table calls them, and wherever they are computed; what is a default may be said."""

    def path(settings: Document, model: str | Document) -> Path:
        return (
            read_plan(write(tmp_path, settings=SETTINGS | settings, models=[model], seeds=[0]), tmp_path).trials[0].path
        )

    same = path({}, "convlstm")
    assert path({"workers": 2, "device": "auto"}, {"label": "other", "name": "convlstm", "memory": "step"}) == same
    assert path({"precision": "32"}, "convlstm") == same  # an experiment's default
    assert path({"clip": 10.0}, {"name": "convlstm", "kernel_size": 3}) == same
    others = [
        path({"epochs": 3}, "convlstm"),
        path({"data": {"digits": {"size": [16, 16], "digit_size": 9}}}, "convlstm"),
        path({}, {"name": "convlstm", "scales": [1, 2]}),
        path({}, {"name": "trajgru", "options": {"links": 5}}),
        path({}, {"name": "trajgru", "options": {"links": 6}}),
        path({}, "ms-convlstm"),
    ]
    assert len({same, *others}) == 7
    assert same.parent.name.startswith("convlstm-")


@pytest.mark.parametrize(
    ("cell", "hidden", "multiple"), [("convlstm", 4, 1), pytest.param("motionrnn", 12, 4, marks=pytest.mark.slow)]
)
def test_a_model_that_takes_no_more_memory_than_another(tmp_path: Path, cell: str, hidden: int, multiple: int) -> None:
    models = [f"ms-{cell}", {"label": "shrunk", "name": cell, "memory_of": f"ms-{cell}"}]
    table = write(tmp_path, models=models, settings=SETTINGS | {"model": {"hidden_channels": hidden}})
    plan = read_plan(table, tmp_path)
    shrunk, pyramid = (settings_from(plan.of("moving-mnist", label)[0].document) for label in ("shrunk", f"ms-{cell}"))
    frames = frames_of(pyramid)

    def held(settings: RunSettings) -> int:
        cost = cost_of(settings.model, frames[1], workload_of(settings, frames))
        return training_bytes(cost, settings.model)

    assert shrunk.model.hidden_channels in range(multiple, hidden, multiple)
    assert held(shrunk) <= held(pyramid)
    larger = replace(shrunk.model, hidden_channels=shrunk.model.hidden_channels + multiple)
    assert held(replace(shrunk, model=larger)) > held(pyramid)
    assert plan.against == {"shrunk": f"ms-{cell}"}


@pytest.mark.parametrize("most", [0, 100, 104, 499, 1000, 5000])
def test_the_most_hidden_channels_that_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """MotionRNN's numbers of channels are multiples of four."""
    monkeypatch.setattr("msrnn.experiment.plan.cost_of", lambda model, *_: model)

    def held(_: object, model: ModelSettings) -> int:
        return most if model.name == "ms-mim" else model.hidden_channels**2 + 88

    monkeypatch.setattr("msrnn.experiment.plan.training_bytes", held)
    models = ["ms-mim", {"name": "motionrnn", "hidden_channels": 64, "memory_of": "ms-mim"}]
    table = write(tmp_path, models=models)
    fitting = [size for size in range(4, 65, 4) if size**2 + 88 <= most]
    if fitting:
        settings = settings_from(read_plan(table, tmp_path).of("moving-mnist", "motionrnn")[0].document)
        assert settings.model.hidden_channels == fitting[-1]
    else:
        with pytest.raises(SettingsError, match="motionrnn takes more memory than ms-mim with any hidden_channels"):
            read_plan(table, tmp_path)


def test_what_a_model_is_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pyramid with the plain stack of its cell that has as many layers; what is shrunk, with what it is to match."""
    monkeypatch.setattr("msrnn.experiment.plan.cost_of", lambda *_: None)  # measuring takes seconds
    monkeypatch.setattr("msrnn.experiment.plan.training_bytes", lambda *_: 0)
    models = [
        {"label": "shrunk", "name": "convlstm", "hidden_channels": 3, "memory_of": "ms-convlstm"},
        {"label": "plain-4", "name": "convlstm", "scales": [1, 1, 1, 1]},
        "convlstm",
        "predrnn",
        "ms-convlstm",
        {"label": "ms-4", "name": "ms-convlstm", "scales": [1, 2, 2, 1]},
        {"label": "flat", "name": "ms-convlstm", "scales": [1, 1, 1, 1, 1, 1]},
        {"label": "alone", "name": "ms-predrnn", "against": None},
        "ms-trajgru",
    ]
    assert read_plan(write(tmp_path, models=models), tmp_path).against == {
        "shrunk": "ms-convlstm",
        "ms-convlstm": "convlstm",
        "ms-4": "plain-4",
    }
    # scales that all have are those of each
    settings = SETTINGS | {"model": {"hidden_channels": 4, "scales": [1, 2, 2, 1]}}
    assert read_plan(write(tmp_path, settings=settings), tmp_path).against == {}


def test_tables_are_read_as_recipes_are(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text("title: 2015-01-01\nsettings: {learning_rate: 1e-3}\nmodels: [convlstm]\n")
    plan = read_plan(path, tmp_path)
    assert plan.title == "2015-01-01"
    assert plan.trials[0].document["learning_rate"] == 1e-3
    assert plan.trials[0].document["precision"] == "32"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "convlstm"}, "unknown 'model'"),
        ({"models": ["convlstm", "lstm"]}, "no model 'lstm'"),
        ({"models": []}, "models must be a list"),
        ({"seeds": 3}, "seeds must be a list"),
        ({"seeds": [1, 1]}, "seeds must differ"),
        ({"models": ["convlstm", "convlstm"]}, "labels of models must differ"),
        ({"models": [{"name": "convlstm", "against": "mim"}]}, "refers to 'mim'"),
        ({"models": [{"name": "convlstm", "memory_of": "convlstm"}]}, "refers to 'convlstm'"),
        ({"models": [{"name": "convlstm", "hiden": 3}]}, "hiden"),
        ({"models": [{"name": "ms-convlstm", "scales": [1, 3]}]}, "neighbouring scales"),
        ({"models": [{"name": "ms-convlstm", "scales": 5}]}, "scales"),
        ({"settings": SETTINGS | {"epochs": -1}}, "epochs=-1"),
        ({"settings": 5}, "settings must be settings by name"),
        ({"recipe": "nothing.yaml"}, "table.yaml: recipe nothing.yaml: there is no file"),
        ({"models": [{"label": "a"}]}, "has no name of a model"),
        ({"data": {"a": {"seed": 1}}}, "seeds stand under seeds"),
        (
            {"data": {"a": {"data": {"name": "nothing/at/all"}}}},
            "moving-mnist, given is data.name=nothing/at/all",
        ),
        ({"settings": {"data": {"name": "nothing/*.nc"}}}, "table.yaml: data: nothing/.*no file matches"),
        ({"settings": {"data": {"name": "kth", "path": "nothing"}}}, "nothing: there is no such file or folder"),
        ({"settings": {"data": {"name": "kth"}}}, "data.name=kth needs its files: data.path=FOLDER"),
        ({"settings": SETTINGS | {"epoch": 1}}, "there is no setting epoch; did you mean epochs"),
        ({"settings": {"model": {"hiden_channels": 1}}}, "did you mean model.hidden_channels"),
        ({"recipe": 5}, "recipe must be a path"),
        ({"seeds": ["a"]}, "seed"),
        ({"seeds": [-1]}, "seed=-1"),
        ({"models": [{"name": ["convlstm"]}]}, "no model"),
        ({"models": [{"name": "convlstm", "label": 2}]}, "2 is to be the name of a folder"),
        ({"models": [{"name": "convlstm", "label": "../x"}]}, "'../x' is to be the name of a folder"),
        ({"models": [{"name": "convlstm", "hidden_channels": 0}]}, "hidden_channels=0"),
        ({"models": [{"name": "ms-motionrnn", "hidden_channels": 6}]}, "divisible by 4"),
        ({"data": {2020: {}}}, "2020 is to be the name of a folder"),
        ({"data": {"a": 5}}, "a must be settings by name"),
        ({"data": {"a": {"model": {"scales": [1, 2]}}}}, "settings of models stand under models"),
        ({"settings": SETTINGS | {"horizon": None}}, "convlstm: horizon: null is no value for it"),
        ({"settings": SETTINGS | {"data": {"digits": {"size": None}}}}, ": data.digits.size: null is no value"),
        ({"models": ["convlstm", {"label": "again", "name": "convlstm", "memory": "step"}]}, "are the same training"),
        ({"data": {"a": None, "b": {"workers": 2}}}, "convlstm on a, seed 0, and convlstm on b, seed 0 are the same"),
        ({"settings": SETTINGS | {"data": "moving-mnist"}}, "data in settings must be settings by name"),
        ({"settings": SETTINGS | {"devices": 2}}, "a trial has one device"),
        ({"settings": SETTINGS | {"precision": "auto"}}, "name the precision of all"),
        (
            {
                "models": [
                    {"label": "a", "name": "convlstm", "memory_of": "b"},
                    {"label": "b", "name": "convlstm", "memory_of": "a"},
                ]
            },
            "it has a memory_of itself",
        ),
    ],
)
def test_what_a_table_cannot_say(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises((SettingsError, OSError), match=message):
        read_plan(write(tmp_path, **changes), tmp_path / "out")


def pyramids(*cells: str) -> dict[str, str]:
    return {f"ms-{cell}": cell for cell in cells}


AGAINST = {
    "cpu": pyramids("convlstm", "predrnn", "trajgru", "predrnn++"),
    "depth": {f"ms-{depth}": f"plain-{depth}" for depth in (2, 4, 6, 8)},
    "memory": {"convlstm-shrunk": "ms-convlstm", "predrnn-shrunk": "ms-predrnn"},
    "moving-mnist": pyramids(
        "convlstm", "trajgru", "predrnn", "predrnn++", "mim", "motionrnn", "predrnn-v2", "preciplstm"
    ),
    "one-epoch": pyramids("convlstm", "predrnn"),
    "scales": {"two-scales": "one-scale", "three-scales": "one-scale"},
    "skips": {"none": "ms-convlstm", "unet3+": "ms-convlstm", "full": "ms-convlstm"},
}


@pytest.mark.slow
@pytest.mark.parametrize("table", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_tables_that_come_with_it(tmp_path: Path, table: Path) -> None:
    plan = read_plan(table, tmp_path)
    assert len(plan.trials) == len({trial.path for trial in plan.trials})
    assert plan.against == AGAINST[table.stem]


def test_a_score_that_says_nothing_stops_nothing() -> None:
    assert with_deviation([1.0, np.nan]) == "nan \N{PLUS-MINUS SIGN} nan"
    assert str(Difference(1.0, -np.inf, np.inf)) == "+1.00 [-inf, inf]"


def test_numbers_have_the_decimals_of_their_spread() -> None:
    assert with_deviation([1.0, 3.0]) == "2.0 \N{PLUS-MINUS SIGN} 1.4"
    assert with_deviation([0.61, 0.6102]) == ".61010 \N{PLUS-MINUS SIGN} .00014"
    assert with_deviation([1000.0, 3000.0]) == "2000 \N{PLUS-MINUS SIGN} 1414"
    assert with_deviation([0.5]) == ".5000"
    assert str(Difference(-0.0025, -0.0149, 0.0097)) == "-.003 [-.015, .010]"
    assert str(Difference(4.83, 2.4, 7.1)) == "+4.8 [2.4, 7.1]"


def test_settings_are_put_over_others() -> None:
    under = {"a": 1, "b": {"c": 2, "d": 3}, "e": {"f": 4}}
    assert merged(under, {"b": {"c": 5}, "e": 6, "g": {"h": 7}}) == {
        "a": 1,
        "b": {"c": 5, "d": 3},
        "e": 6,
        "g": {"h": 7},
    }
    assert under["b"] == {"c": 2, "d": 3}


def evaluation(value: float, spread: float, blocks: int = 50) -> Evaluation:
    """Whose MSE is `value`, and whose resamples lie around it as a normal distribution's quantiles do."""
    score = Score("mse")
    quantiles = np.sort(np.random.default_rng(0).normal(size=1000))
    rows = [ScoreRow(MODEL, *score, "all", value, np.nan, np.nan, blocks, np.nan)]
    return Evaluation(
        {"blocks": blocks}, [MODEL], rows, resamples={resample_key(MODEL, score): value + spread * quantiles}
    )


def mse_difference(ours: dict[int, Evaluation], theirs: dict[int, Evaluation]) -> Difference:
    found = difference(ours, theirs, Score("mse"))
    assert found is not None
    return found


def test_of_one_seed_the_interval_is_the_bootstraps() -> None:
    found = mse_difference({0: evaluation(3, 0.1)}, {0: evaluation(1, 0)})
    assert found.value == pytest.approx(2)
    assert (found.low, found.high) == pytest.approx((2 - 0.196, 2 + 0.196), abs=0.02)
    assert str(found).startswith("+2.00 [1.8")
    few = mse_difference({0: evaluation(3, 0.1, 5)}, {0: evaluation(1, 0, 5)})
    assert np.isnan([few.low, few.high]).all()
    assert str(few) == "+2.00"


def test_of_several_seeds_the_interval_is_wider() -> None:
    ours = {seed: evaluation(value, 0) for seed, value in enumerate((3.0, 4.0, 5.0, 9.0))}
    theirs = {seed: evaluation(2, 0) for seed in (2, 1, 0, 7)}
    found = mse_difference(ours, theirs)
    assert found.value == pytest.approx(2)  # of seeds 0, 1, 2
    half = 4.302653 / np.sqrt(3)  # Student's t with two degrees of freedom, of values 1, 2, 3
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), rel=1e-5)
    wider = mse_difference({seed: evaluation(3 + seed, 1) for seed in range(3)}, theirs)
    assert wider.low < found.low
    assert difference({3: evaluation(1, 0)}, theirs, Score("mse")) is None


def test_a_device_that_is_not_there_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit) as left:
        main(["experiment", str(write(tmp_path)), "--out", str(tmp_path / "out"), "--device", "cuda"])
    assert left.value.code == 2
    assert "torch finds no CUDA device here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class FakeProcess:
    """What is started in the place of `msrnn`; ends when it is told to, or at once."""

    started: ClassVar[list["FakeProcess"]] = []
    lasts: ClassVar[bool] = False
    error: ClassVar[OSError | None] = None

    def __init__(self, command: list[str], env: dict[str, str], **options: Any) -> None:
        if self.error is not None:
            raise self.error
        self.command, self.environment = command[3:], env
        self.signals: list[int] = []
        self.waited_for, self.ended = threading.Event(), threading.Event()
        self.started.append(self)

    def send_signal(self, number: int) -> None:
        self.signals.append(number)
        self.ended.set()

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        self.waited_for.set()
        if self.lasts:
            assert self.ended.wait(30)
        return 143 if self.signals else 0


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[FakeProcess]:
    monkeypatch.setattr("subprocess.Popen", FakeProcess)
    monkeypatch.setattr(FakeProcess, "started", [])
    return FakeProcess.started


def test_the_processes_of_an_experiment(
    tmp_path: Path, processes: list[FakeProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its share of the machine, and does not take itself for one of several."""
    for name in ("RANK", "WORLD_SIZE", "SLURM_NTASKS", "LOCAL_RANK"):
        monkeypatch.setenv(name, "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setattr("torch.get_num_threads", lambda: 6)
    told: list[str] = []
    assert run_missing(read_plan(write(tmp_path), tmp_path / "out"), 2, told.append) == []
    assert told[0] == "0 of 4 trials are done"
    assert sum(": begins, see " in line for line in told) == 4
    ended = [line.split(":")[0] for line in told if "trained and scored" in line]
    assert ended == [f"{number} of 4" for number in range(1, 5)]
    assert [process.command[0] for process in processes].count("train") == 4
    assert {process.environment["OMP_NUM_THREADS"] for process in processes} == {"3"}
    assert {process.environment["CUDA_VISIBLE_DEVICES"] for process in processes} == {"4", "7"}
    for process in processes:
        assert not {"RANK", "WORLD_SIZE", "SLURM_NTASKS", "LOCAL_RANK"} & process.environment.keys()
        if process.command[0] == "evaluate":
            assert process.command[-2:] == ["--device", "cpu"]


def test_a_trial_that_cannot_be_started_is_said(
    tmp_path: Path, processes: list[FakeProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeProcess, "error", OSError(errno.EAGAIN, "no more processes"))
    told: list[str] = []
    assert len(run_missing(read_plan(write(tmp_path), tmp_path / "out"), 1, told.append)) == 4
    failed = [line for line in told if "failed: it cannot be run ([Errno 11] no more processes)" in line]
    assert len(failed) == 4


def test_where_nothing_is_done_nothing_is_written(
    tmp_path: Path, processes: list[FakeProcess], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(FakeProcess, "error", OSError(errno.EAGAIN, "no more processes"))
    with pytest.raises(SystemExit) as left:
        main(["experiment", str(write(tmp_path)), "--out", str(tmp_path / "out")])
    assert left.value.code == 1
    assert "msrnn: none of 4 trials is done: see " in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["trials"]


@pytest.fixture
def signals_are_heard() -> Iterator[None]:
    """Also where the tests run in the background, and ignore some."""
    wanted: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGHUP: signal.SIG_DFL,
        signal.SIGTERM: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_are_heard")
@pytest.mark.parametrize(
    ("sent", "passed_on", "left"),
    [
        (["SIGTERM"], ["SIGTERM"], "SIGTERM"),
        (["SIGINT", "SIGINT"], ["SIGTERM", "SIGINT"], "SIGINT"),
        (["SIGINT", "SIGTERM"], ["SIGTERM", "SIGTERM"], "SIGTERM"),
        (["SIGHUP"], ["SIGTERM"], "SIGHUP"),
    ],
)
def test_signals_are_passed_on(
    tmp_path: Path,
    processes: list[FakeProcess],
    monkeypatch: pytest.MonkeyPatch,
    sent: list[str],
    passed_on: list[str],
    left: str,
) -> None:
    """Trainings leave checkpoints; only a second Ctrl-C does not wait for that. What is not begun is not begun."""
    monkeypatch.setattr(FakeProcess, "lasts", True)
    monkeypatch.setattr(FakeProcess, "send_signal", lambda self, number: self.signals.append(number))

    def send() -> None:
        while not processes:
            time.sleep(0.01)
        assert processes[0].waited_for.wait(30)
        for count, name in enumerate(sent, 1):
            os.kill(os.getpid(), getattr(signal, name))
            while len(processes[0].signals) < count:
                time.sleep(0.01)
        processes[0].ended.set()

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(StoppedError, match=f"{left}: what was trained is saved"):
        run_missing(read_plan(write(tmp_path), tmp_path / "out"), 1)
    sender.join()
    assert [signal.Signals(number).name for number in processes[0].signals] == passed_on
    assert len(processes) == 1


def test_what_is_ignored_stays_ignored(tmp_path: Path, processes: list[FakeProcess]) -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        heard = []
        run_missing(
            read_plan(write(tmp_path, seeds=[0]), tmp_path / "out"), 1, lambda _: heard.append(signal.getsignal(1))
        )
        assert set(heard) == {signal.SIG_IGN}
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("at", ["seed 1: begins", "trained and scored"])
def test_an_error_ends_what_runs(
    tmp_path: Path, processes: list[FakeProcess], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Of the terminal, say, into which progress is written."""

    def closed(line: str) -> None:
        if at in line:
            monkeypatch.setattr(FakeProcess, "lasts", True)
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_missing(read_plan(write(tmp_path), tmp_path / "out"), 1, closed)
    assert 2 <= len(processes) < 8


@pytest.mark.slow
def test_an_experiment(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table, out = write(tmp_path), tmp_path / "out"
    main(["experiment", str(table), "--out", str(out), "--jobs", "2", "--device", "cpu"])
    said = capfd.readouterr()
    assert "4 of 4: " in said.err
    assert "goes on" not in said.err
    assert "ms-convlstm - convlstm" in said.out
    runs = sorted(path.parent for path in out.rglob("settings.yaml"))
    assert len(runs) == 4
    rows = list(csv.DictReader((out / "table" / "table.csv").read_text().splitlines()))
    assert [(row["model"], row["seed"]) for row in rows] == [(m, s) for m in TABLE["models"] for s in "01"]
    for row in rows:
        run = RunDirectory(Path(row["run"]))
        assert float(row["mse"]) == Evaluation.load(run.scores).value(MODEL, "mse")
        assert float(row["training_seconds"]) > 0
    assert float(rows[2]["forward_flops"]) < float(rows[0]["forward_flops"])
    shown = (out / "table" / "table.md").read_text().splitlines()[4].split(" | ")
    assert float(shown[-2]) == pytest.approx(sum(float(row["training_seconds"]) for row in rows[:2]) / 120, rel=0.01)
    report = (out / "table" / "report.md").read_text()
    assert "### moving-mnist, differences" in report
    for name in ("lead-times", "memory", "forecasts", "receptive-fields"):
        assert f"(moving-mnist-{name}.png)" in report
        assert (out / "table" / f"moving-mnist-{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "table" / "table.md").read_text().count("| ms-convlstm") == 2
    assert r"\toprule" in (out / "table" / "table.tex").read_text()

    # what is done is left alone; what is missing is not
    scores = [RunDirectory(run).scores.with_suffix(".json") for run in runs]
    left_alone = [*scores[1:], *(run / "metrics.jsonl" for run in runs[1:]), runs[0] / "weights.safetensors"]
    times = [path.stat().st_mtime_ns for path in left_alone]
    scores[0].unlink()
    main(["experiment", str(table), "--out", str(out), "--device", "cpu"])
    first = f"{rows[0]['model']} on moving-mnist, seed 0"
    lines = capfd.readouterr().err.splitlines()[:3]
    assert lines[:2] == ["3 of 4 trials are done", f"{first}: goes on, see {runs[0]}.log"]
    assert lines[2].startswith(f"4 of 4: {first}: trained and scored (")
    assert scores[0].exists()
    assert times == [path.stat().st_mtime_ns for path in left_alone]

    # scores of other weights are none
    weights = [run / "weights.safetensors" for run in runs]
    weights[0].write_bytes(weights[1].read_bytes())
    main(["experiment", str(table), "--out", str(out), "--device", "cpu"])
    assert capfd.readouterr().err.startswith("3 of 4 trials are done")

    # another table has what it shares, and its own files
    other = tmp_path / "other.yaml"
    other.write_text(table.read_text())
    main(["experiment", str(other), "--out", str(out), "--device", "cpu"])
    assert capfd.readouterr().err.splitlines()[:2] == ["4 of 4 trials are done", f"{out}/other/table.md: written"]
    assert (out / "other" / "table.csv").read_bytes() == (out / "table" / "table.csv").read_bytes()


@pytest.mark.slow
def test_an_experiment_that_is_interrupted_goes_on(tmp_path: Path) -> None:
    settings = merged(SETTINGS, {"data": {"epoch_samples": 400}})
    table = write(tmp_path, settings=settings, models=["ms-convlstm"], seeds=[0])
    outs = tmp_path / "whole", tmp_path / "out"
    command = ["experiment", str(table), "--out"]
    whole = start([*command, str(outs[0])])
    said, _ = whole.communicate(timeout=240)
    assert whole.returncode == 0, said
    runs = [read_plan(table, out).trials[0].path for out in outs]
    process = start([*command, str(outs[1])])
    while not (runs[1] / "metrics.jsonl").exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "give the same command to go on" in said
    assert 0 < RunDirectory(runs[1]).progress().step < 200
    again = start([*command, str(outs[1])])
    said, _ = again.communicate(timeout=240)
    assert again.returncode == 0, said
    assert_same(runs[0], runs[1])


@pytest.mark.slow
def test_a_trial_that_fails_is_said_and_the_others_go_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table, out = write(tmp_path, seeds=[0]), tmp_path / "out"
    in_the_way = read_plan(table, out).trials[0].path
    in_the_way.mkdir(parents=True)
    (in_the_way / "notes.txt").write_text("mine")
    with pytest.raises(SystemExit) as left:
        main(["experiment", str(table), "--out", str(out)])
    assert left.value.code == 1
    said = capfd.readouterr()
    assert f"1 of 2: convlstm on moving-mnist, seed 0: failed: {in_the_way} exists: choose another --out" in said.err
    assert f"(see {in_the_way}.log)" in said.err
    assert "ms-convlstm" in said.out
    assert (in_the_way / "notes.txt").read_text() == "mine"
