"""Counts against hand-made cases, and the closed form against what is counted."""

import inspect
import json
import re
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

import msrnn
from helpers.models import SMALL, frames, gradient, tiny_model
from msrnn.analysis.analyze import central
from msrnn.analysis.benchmark import Benchmark
from msrnn.analysis.cost import Cost, Workload, fastest_that_fits, follow, ways_to_fit
from msrnn.analysis.counting import FORMULAS, Meter
from msrnn.analysis.receptive import WHOLE, effective, theoretical, width_of_share
from msrnn.cli import main
from msrnn.device import autocast, control_group_limits, free_memory
from msrnn.errors import join
from msrnn.nn.models import MODELS, PYRAMID, counterpart
from msrnn.nn.recompute import MODES

MIB = 2**20


def test_a_storage_counts_from_birth_to_death() -> None:
    x = torch.rand(10)
    with Meter() as meter:
        y = x + 1
        assert meter.alive == 40
        view = y[2:].view(2, 4)
        del y
        assert meter.alive == 40  # the view needs all of it
        z = view * 2
        assert meter.alive == meter.peak == 40 + 32
        del view
        assert meter.alive == 32
        z += 1
        assert meter.alive == 32  # in place
        del z
    assert (meter.alive, meter.peak) == (0, 72)


def test_what_was_there_before_does_not_count() -> None:
    x = torch.rand(10)
    with Meter() as meter:
        view = x[1:]
        x += 1
    assert meter.alive == 0
    assert view.numel() == 9


def test_what_autograd_holds_counts() -> None:
    x = torch.rand(10, requires_grad=True)
    with Meter() as meter:
        y = x.exp().sin()  # sin keeps what exp gives, exp too
        assert meter.alive == 80
        loss = y.sum()
        del y
        assert meter.alive == 40 + 4
        loss.backward()
        assert meter.alive == 4 + 40  # the loss, the gradient
    assert meter.peak >= 84


def test_owners_and_flops() -> None:
    x, w = torch.rand(1, 3, 8, 8), torch.rand(4, 3, 3, 3)
    moved = x.clone().requires_grad_(), torch.zeros(1, 5, 6, 2, requires_grad=True)
    with Meter() as meter:
        meter.owner = "conv"
        result = torch.conv2d(x, w)
        meter.owner = "warp"
        warped = torch.nn.functional.grid_sample(x, torch.zeros(1, 5, 6, 2), align_corners=False)
        meter.owner = "backward"
        torch.autograd.grad(torch.nn.functional.grid_sample(*moved, align_corners=False).sum(), moved)
    # bilinear: four products and their sum, eight for each sample; backward to what is sampled, and to where
    assert meter.flops == {"conv": 2 * 4 * 36 * 27, "warp": 3 * 5 * 6 * 8, "backward": 3 * 5 * 6 * (8 + 16)}
    assert meter.bytes["conv"] == result.nbytes
    assert meter.bytes["warp"] >= warped.nbytes


def build(name: str, **options: Any) -> msrnn.Forecaster:
    cell = MODELS[name].cell
    small = {key: SMALL[key] for key in inspect.signature(cell).parameters if key in SMALL}
    return msrnn.create_model(name, **({"hidden_channels": 4} | small | options))


def measured(model: msrnn.Forecaster, workload: Workload) -> tuple[int, ...]:
    """FLOPs of the forward pass and of all, by torch's counter; saved and peak bytes."""
    x = frames(workload.batch, workload.steps + 1, 1, *workload.size)
    model.zero_grad(set_to_none=True)
    trace = follow(model, x, workload.context, workload.precision)
    with FlopCounterMode(display=False, custom_mapping=_shaped(FORMULAS)) as counter:
        predictions, auxiliary = model(x, context=workload.context)
        forward = counter.get_total_flops()
        (predictions.sum() + auxiliary).backward()
    return forward, counter.get_total_flops(), trace.saved, trace.peak


def _shaped(formulas: dict[Any, Any]) -> dict[Any, Any]:
    """torch's counter hands shapes to formulas unless they ask for tensors."""
    for formula in formulas.values():
        formula._get_raw = True  # noqa: SLF001 - how torch marks formulas
    return formulas


@pytest.mark.parametrize("patch", [1, 2])
def test_the_closed_form_is_what_is_measured(name: str, patch: int) -> None:
    """FLOPs exactly, saved within 3 %, peak within 15 %."""
    workload = Workload((13, 24), context=4, horizon=4, batch=2)
    scales = (1, 2, 1) if name.startswith("ms-") else (1, 1, 1)
    model = build(name, scales=scales, patch=patch)
    keys = list(model.state_dict())
    cost = Cost(partial(build, name, scales=scales, patch=patch), workload)
    for mode in MODES:
        model.memory = mode
        forward, training, saved, peak = measured(model, workload)
        assert cost.forward_flops == forward
        assert cost.training_flops(mode) == training
        assert cost.saved(mode) == pytest.approx(saved, rel=0.03)
        assert cost.peak(mode) == pytest.approx(peak, rel=0.15)
    assert cost.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert cost.parameters == cost.total.parameters
    assert list(model.state_dict()) == keys


@pytest.mark.parametrize("model_name", ["ms-predrnn++", "trajgru"])
@pytest.mark.parametrize("precision", ["bf16", "64"])
def test_the_closed_form_in_other_precisions(model_name: str, precision: str) -> None:
    workload = Workload((16, 16), 3, 4, precision=precision)
    cost = Cost(partial(build, model_name, hidden_channels=8, scales=(1, 2)), workload)
    model = build(model_name, hidden_channels=8, scales=(1, 2))
    x = frames(1, 7, 1, 16, 16)
    if precision == "64":
        model.double()
        x = x.double()
    for mode in MODES:
        model.memory = mode
        model.zero_grad(set_to_none=True)
        trace = follow(model, x, 3, precision)
        assert cost.saved(mode) == pytest.approx(trace.saved, rel=0.03)
        assert cost.peak(mode) == pytest.approx(trace.peak, rel=0.15)
    with Meter() as meter, autocast(precision, "cpu"):
        model.forecast(x[:, :3], horizon=4)
    assert cost.forecast_peak == pytest.approx(meter.peak, rel=0.15)


@pytest.mark.parametrize("cell_name", ["convlstm", "predrnn", "trajgru"])
def test_a_layer_at_scale_s_costs_one_over_s_squared(cell_name: str) -> None:
    """The paper's theory, of layers without resampling."""
    full, half = (
        Cost(partial(build, cell_name, scales=scales, skips="none"), Workload((32, 32), 5, 5)).parts[2]
        for scales in ((1, 1), (2, 2))
    )
    assert half.flops * 4 == full.flops
    assert half.activations * 4 == full.activations
    assert half.state * 4 == full.state


BUDGETS = {
    "ms-convlstm": (430, 105, 150, 26, 100),
    "ms-predrnn": (790, 125, 210, 32, 150),
    "ms-predrnn++": (850, 130, 245, 34, 190),
    "ms-trajgru": (1000, 55, 200, 14, 165),
    "ms-mim": (1180, 190, 345, 47, 255),
    "ms-motionrnn": (1450, 195, 380, 48, 290),
    "ms-predrnn-v2": (1000, 125, 250, 32, 195),
}
"""MiB for a sequence of 20 frames of 64x64, hidden 64: saved by keep, saved and peak of step, and of sqrt."""


@pytest.mark.slow
@pytest.mark.parametrize("model_name", BUDGETS)
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_memory_stays_in_its_budget(model_name: str, precision: str) -> None:
    """In bfloat16 at most 55 % of each, the state's precision included."""
    cost = Cost(partial(msrnn.create_model, model_name), Workload((64, 64), 10, 10, precision=precision))
    found = {mode: (cost.saved(mode), cost.peak(mode)) for mode in MODES}
    if precision == "32":  # counted, which takes a minute
        for mode in MODES:
            with FakeTensorMode():
                model = msrnn.create_model(model_name, memory=mode)
                trace = follow(model, torch.empty(1, 20, 1, 64, 64), 10, precision)
            assert found[mode][0] == pytest.approx(trace.saved, rel=0.03)
            assert found[mode][1] == pytest.approx(trace.peak, rel=0.15)
            found[mode] = trace.saved, trace.peak
    limits = zip((found["keep"][0], *found["step"], *found["sqrt"]), BUDGETS[model_name], strict=True)
    share = 0.55 if precision == "bf16" else 1
    assert all(0 < bytes_ / MIB <= share * limit for bytes_, limit in limits)


def test_state_is_carried_in_lower_precision_unless_told() -> None:
    x = frames(2, 3, 1, 16, 16)
    expected = tiny_model("ms-predrnn").forecast(x, horizon=4)
    errors = {}
    for half in (True, False):
        model = tiny_model("ms-predrnn", half_state=half)
        with torch.autocast("cpu", torch.bfloat16):
            _, state = model.step(x[:, 0])
            errors[half] = (model.forecast(x, horizon=4) - expected).abs().mean()
        wanted = torch.bfloat16 if half else torch.float32
        assert state.m is not None
        assert {c.dtype for _, c in state.layers} == {state.m.dtype} == {wanted}
    assert 0 < errors[False] < errors[True]


def test_every_cell_carries_its_state_in_full_precision(name: str) -> None:
    model = tiny_model(name, half_state=False)
    with torch.autocast("cpu", torch.bfloat16):
        predictions, auxiliary = model(frames(1, 4, 1, 16, 16), context=2)
        _, state = model.step(frames(1, 1, 16, 16))
        _, state = model.step(frames(1, 1, 16, 16), state)
    (predictions.square().sum() + auxiliary).backward()
    assert all(gradient(parameter).isfinite().all() for parameter in model.parameters())
    memories = [tensor for _, *others in state.layers for tensor in others]  # all but h, which the gates give
    memories += [] if state.m is None else [state.m]
    frames_before = sum("preciplstm" in name for _ in state.layers)  # PrecipLSTM's previous input is no memory
    assert sum(memory.dtype != torch.float32 for memory in memories) == frames_before


def test_what_fits_is_chosen_and_what_would_fit_is_said() -> None:
    cost = Cost(partial(build, "predrnn", scales=(1, 2)), Workload((64, 64), 10, 10, batch=4))
    needs = {mode: cost.training_bytes(mode) for mode in MODES}
    assert needs["keep"] > needs["step"] > needs["sqrt"]
    for mode, bytes_ in needs.items():
        assert fastest_that_fits(cost, bytes_) == mode
    assert fastest_that_fits(cost, None) == "keep"
    assert fastest_that_fits(cost, needs["sqrt"] - 1) is None

    def ways_within(available: int, accumulate: int = 1) -> list[str]:
        return [join(way) for way in ways_to_fit(cost, available, accumulate)]

    assert ways_within(needs["step"]) == ["It fits with model.memory=step."]
    ways = ways_within(int(0.7 * needs["sqrt"]))
    assert ways[0] == "It fits with precision=bf16 model.memory=sqrt."
    assert ways[1] == "It fits with accumulate=2 model.memory=sqrt, the same training in more parts."
    assert "accumulate=6 " in ways_within(int(0.7 * needs["sqrt"]), accumulate=3)[1]
    assert "accumulate=4 " in ways_within(int(0.4 * needs["sqrt"]))[0]  # 3 do not divide 4
    cost = Cost(cost.build, Workload((64, 64), 10, 10))
    available = cost.training_bytes("sqrt") // 2
    assert ways_within(available)[-1] == "It fits with data.crop=(40, 40) batch_size=1 model.memory=sqrt."
    assert Cost(cost.build, Workload((40, 40), 10, 10)).training_bytes("sqrt") <= available
    assert ways_within(1000) == ["No memory mode, precision, batch or crop makes it fit: lower model.hidden_channels."]


def test_what_a_control_group_leaves(tmp_path: Path) -> None:
    """A job's group within the machine's, whose files in memory do not count; of both versions."""
    for root, limit, used, cache in (
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        for folder, numbers in (
            ("", ("max" if not root else str(2**63), "9000", "0")),
            ("job", ("5000", "3000", "700")),
        ):
            group = tmp_path / root / folder
            group.mkdir(parents=True, exist_ok=True)
            for name, number in zip((limit, used), numbers, strict=False):
                (group / name).write_text(number + "\n")
            (group / "memory.stat").write_text(f"anon 1\n{cache} {numbers[2]}\n")
    own = tmp_path / "own"
    for line in ("0::/job", "5:memory:/job", "0::/elsewhere/job"):
        own.write_text(f"1:name=systemd:/\n{line}\n")
        limits = list(control_group_limits(own, tmp_path))
        assert min(limits, default=None) == (None if "elsewhere" in line else 5000 - 3000 + 700)
    assert list(control_group_limits(tmp_path / "none", tmp_path)) == []
    free = free_memory(torch.device("cpu"))
    assert free is not None
    assert free > 2**20


def test_theoretical_receptive_fields_of_convlstm() -> None:
    """One 3x3 convolution per layer and step: widths by hand."""
    plain, pyramid = tiny_model("convlstm"), tiny_model("ms-convlstm")
    before = {key: weight.clone() for key, weight in plain.state_dict().items()}
    assert theoretical(plain, 3).tolist() == [
        [3, 5, 7, 9, 11, 13],
        [5, 7, 9, 11, 13, 15],
        [7, 9, 11, 13, 15, 17],
    ]
    # layer 1: 2 pixels, +-1 at half resolution, +-1 in layer 0; layer 2: 4, +-4, +-2, +-1
    assert theoretical(pyramid, 1)[0, :3].tolist() == [3, 8, 18]
    assert all(weight.equal(before[key]) for key, weight in plain.state_dict().items())


def test_a_receptive_field_of_patches_is_that_many_pixels() -> None:
    for patch in (2, 4, 8):
        for name in ("convlstm", "ms-convlstm"):
            patched = theoretical(tiny_model(name, patch=patch), 2, strip=128 * patch)
            assert (patched == patch * theoretical(tiny_model(name), 2, strip=128)).all()


def test_what_has_an_influence_lies_in_the_field(name: str) -> None:
    """Of all cells; flows are zero, since they can reach anywhere."""
    model = tiny_model(name, scales=(1, 2, 1) if name.startswith("ms-") else (1, 1)).double()
    for key, weight in model.named_parameters():
        if re.search("conv_flow|conv_u|conv_r|conv_z|conv_enc", key) and not key.startswith("pyramid.shared"):
            weight.data.zero_()
    influence = effective(model, frames(2, 3, 1, 16, 128, dtype=torch.float64))
    fields = theoretical(model, 3, strip=128)[:, -1]
    for t in range(3):
        columns = np.flatnonzero(influence[t].sum(axis=0))
        assert 0 < np.ptp(columns) + 1 <= (fields[2 - t] or 128)
    assert fields[0] == WHOLE if name.endswith("cms-lstm") else fields[0] not in (WHOLE, 1)


def test_attention_sees_its_window_and_not_its_tile() -> None:
    model = tiny_model("preciplstm", scales=(1,), window=6)
    # three pixels before and two after, and convolutions of 3 pixels: after attention, hidden, output gate
    assert theoretical(model, 1, strip=128)[0, 0] == 1 + 5 + 2 + 2 + 2


@pytest.mark.parametrize("model_name", ["ms-convlstm", "ms-predrnn", "ms-trajgru"])
def test_the_pyramid_sees_farther(model_name: str) -> None:
    multi, plain = (theoretical(tiny_model(one), 2, strip=1024) for one in (model_name, counterpart(model_name)))
    assert (multi[:, 1:] > plain[:, 1:]).all()
    assert (np.diff(multi, axis=1) >= 0).all()


def test_a_field_that_leaves_the_strip_is_whole() -> None:
    assert theoretical(tiny_model("ms-predrnn"), 4, strip=64)[-1, -1] == WHOLE


def test_effective_fields_lie_within_theoretical_ones() -> None:
    model = tiny_model("ms-convlstm")
    influence = effective(model, frames(2, 3, 1, 128, 128))
    assert influence.shape == (3, 128, 128)
    assert influence.sum() == pytest.approx(1)
    fields = theoretical(model, 3)[:, -1]
    for t in range(3):
        columns = np.flatnonzero(influence[t].sum(axis=0))
        assert 0 < np.ptp(columns) + 1 <= fields[2 - t]
    assert effective(model, frames(1, 3, 1, 32, 32), horizon=3).sum() == pytest.approx(1)
    assert effective(model.double(), frames(1, 3, 1, 32, 32)).sum() == pytest.approx(1)  # frames go where the model is


def test_the_middle_of_frames() -> None:
    numbers = torch.arange(100 * 65).view(1, 100, 65)
    assert central(numbers).shape == (1, 64, 64)
    assert central(numbers)[0, 0, 0] == numbers[0, 18, 0]
    assert central(numbers[..., :30, :40]).equal(numbers[..., :30, :40])


def test_widths_of_shares() -> None:
    influence = np.zeros((9, 9))
    influence[4, 4], influence[4, 7] = 0.6, 0.4
    assert [width_of_share(influence, share) for share in (0.5, 0.6, 0.7, 1)] == [1, 1, 7, 7]


def analyze(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(["analyze", *arguments, "--device", "cpu"])
    return capsys.readouterr().out


def test_analyze_says_what_a_model_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / "a.json"), str(tmp_path / "a.png"), str(tmp_path / "a.svg")]
    out = analyze(
        capsys, "ms-trajgru", "--size", "16", "24", "--context", "2", "--horizon", "3", "--hidden", "4", "--batch", "2",
        "--options.links", "3", "--scales", "1", "2", "--memory", "step", "--output", *files,
    )  # fmt: skip
    assert "ms-trajgru, 16x24, 2 -> 3 frames, batch 2, precision 32" in out
    assert "this run fits with memory step" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "Effective receptive field, untrained" in out
    document = json.loads((tmp_path / "a.json").read_text())
    assert list(document["models"]) == ["ms-trajgru", "trajgru"]
    cost = Cost(partial(build, "ms-trajgru", links=3, scales=(1, 2)), Workload((16, 24), 2, 3, 2))
    model = document["models"]["ms-trajgru"]
    assert model["memory"]["step"]["peak_bytes"] == cost.peak("step")
    assert model["forward_flops"] == cost.forward_flops < document["models"]["trajgru"]["forward_flops"]
    assert len(model["parts"]) == 4
    assert len(model["receptive_field"]) == 4
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_of_two_modes_that_take_as_much_the_faster_is_advised() -> None:
    """Of three steps `sqrt` holds as much as `step` does."""
    cost = Cost(partial(build, "convlstm"), Workload((16, 16), 2, 2, batch=4))
    assert cost.training_bytes("sqrt") == cost.training_bytes("step") < cost.training_bytes("keep")
    ways = map(join, ways_to_fit(cost, cost.training_bytes("step") - 1))
    assert "It fits with accumulate=2 model.memory=step, the same training in more parts." in ways


def test_analyze_says_what_would_fit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msrnn.analysis.analyze.free_memory", lambda device: 4 * MIB)
    out = analyze(capsys, "convlstm", "--size", "64", "--hidden", "8", "--scales", "1", "1")
    assert "this run does not fit with memory keep.\nWhat would help the training:\n- It fits with" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ms-predrn"], "no model 'ms-predrn'; choose from cms-lstm"),
        (["convlstm", "--options.links", "3"], "no option links"),
        (["convlstm", "--output", "a.txt"], "write something.json"),
        (["convlstm", "--size", "0"], "--size 0: at least 1"),
        (["convlstm", "--size", "-5"], "--size -5: at least 1"),
        (["runs/none"], "runs/none: no such run directory; name one, or a model"),
        (["convlstm", "--memory", "auto"], "--memory"),
        ([], "MODEL"),
    ],
)
def test_analyze_refuses(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["analyze", *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_analyze_says_what_a_forecast_costs(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--forecast", "--size", "32", "--context", "2", "--horizon", "3", "--hidden", "4"]
    out = analyze(capsys, "ms-convlstm", *small, "--precision", "bf16")
    assert max(map(len, out.splitlines())) <= 80
    assert out.splitlines()[0] == "ms-convlstm, hidden 4, 32x32, forecast of 2 -> 3 frames, cpu"
    precision, seconds, mib = out.splitlines()[3].split()
    assert precision == "bf16"
    assert float(seconds) > 0
    cost = Cost(partial(build, "ms-convlstm"), Workload((32, 32), 2, 3, precision="bf16"))
    assert float(mib) == pytest.approx((cost.weight_bytes + 2 * 4 * 32**2 + cost.step_peak) / 2**20, rel=0.05)
    doubled = analyze(capsys, "ms-convlstm", *small, "--batch", "2", "--precision", "64")
    assert float(doubled.splitlines()[3].split()[2]) > 3 * float(mib)
    patched = analyze(capsys, "ms-convlstm", *small, "--patch", "4", "--precision", "32")
    assert "hidden 4, patch 4, 32x32" in patched


def test_a_longer_forecast_takes_longer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One step is timed; the time is in proportion to steps."""
    clock = count()
    monkeypatch.setattr("msrnn.analysis.forecasting.time.perf_counter", lambda: float(next(clock)))
    for horizon, expected in ((1, 2), (9, 10)):
        command = ["--forecast", "--hidden=4", "--context=2", "--precision=32", "--size=16"]
        out = analyze(capsys, "ms-convlstm", *command, "--horizon", str(horizon))
        assert float(out.splitlines()[3].split()[1]) == expected


@pytest.mark.parametrize("fast", [True, False])
def test_both_precisions_where_both_are_fast(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    monkeypatch.setattr("msrnn.analysis.forecasting.has_fast_bfloat16", lambda device: fast)
    out = analyze(capsys, "ms-convlstm", "--forecast", "--hidden=4", "--size=16")
    assert [line.split()[0] for line in out.splitlines()[3:] if line][:2] == ["32", "bf16" if fast else "Python"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--memory", "step"], "--memory is not for --forecast"),
        (["--output", "a.json"], "--output is not for --forecast"),
    ],
)
def test_what_is_not_about_a_forecast(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["analyze", "ms-convlstm", "--forecast", *arguments])
    assert message in capsys.readouterr().err


def test_benchmark_measures_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new.json"
    command = ["benchmark", "--models", "convlstm", "ms-convlstm", "--memory", "keep", "sqrt", "--size", "16"]
    command += ["--context", "2", "--horizon", "3", "--hidden", "4", "--repeats", "1", "--device", "cpu"]
    command += ["--precision", "32"]
    main([*command, "--output", str(path)])
    assert capsys.readouterr().out.count("\n| ") == 2 + 4
    rows = Benchmark.read(path).rows
    assert [row.key for row in rows] == [
        (name, mode, "32") for name in ("convlstm", "ms-convlstm") for mode in ("keep", "sqrt")
    ]
    cost = Cost(partial(build, "ms-convlstm"), Workload((16, 16), 2, 3))
    assert rows[2].saved_mib == pytest.approx(cost.saved("keep") / MIB, rel=0.03)
    assert rows[3].peak_mib == pytest.approx(cost.peak("sqrt") / MIB, rel=0.15)
    assert rows[2].tflops == pytest.approx(cost.training_flops("keep") / rows[2].training_seconds / 1e12)
    main([*command, "--output", str(tmp_path / "again.json"), "--compare", str(path)])
    out = capsys.readouterr().out
    assert f"Divided by {path}" in out
    assert "| 1.000 | 1.000 |" in out  # memory is the same
    for other, message in [
        (["--hidden", "8"], "hidden channels there 4, here 8: nothing to compare"),
        (["--context", "3"], "workload there 2 -> 3 frames"),
        (["--models", "mim"], "nothing in common; there are convlstm keep 32, convlstm sqrt 32"),
        (["--output", str(tmp_path / "nowhere" / "a.json")], "there is no folder"),
    ]:
        with pytest.raises(SystemExit):
            main([*command, "--compare", str(path), *other])
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "ms-predrn"], "no model 'ms-predrn'"),
        (["--models", "ms-convlstm", "motionrnn", "--hidden", "6"], "MotionRNN needs hidden_channels divisible by 4"),
        (["--compare", "nowhere.json"], "nowhere.json: expected a file that msrnn benchmark wrote"),
        (["--output", "a.csv"], "write something.json"),
        (["--output", "./a.json", "--compare", "a.json"], "that file would be overwritten; choose another --output"),
        (["--repeats", "0"], "--repeats 0: at least 1"),
        (["--memory", "keeep"], "--memory: expected a list of keep, step, sqrt, got ['keeep']"),
    ],
)
def test_benchmark_refuses(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["benchmark", *arguments])
    assert message in capsys.readouterr().err


TRAINING = ["train", "--model", "ms-convlstm", "--model.hidden-channels", "4", "--data.digits.size", "16"]
TRAINING += ["--data.digits.digit-size", "8", "--context", "2", "--horizon", "2", "--epochs", "0.01"]
TRAINING += ["--data.epoch-samples", "100", "--batch-size", "2", "--data.validation-samples", "2"]
TRAINING += ["--data.test-samples", "2", "--device", "cpu", "--precision", "32", "--memory", "auto", "--out"]


def test_analyze_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    main([*TRAINING, run])
    assert "memory auto: keep, about 0.68 MiB" in capsys.readouterr().err
    out = analyze(capsys, run)
    assert "ms-convlstm, 16x16, 2 -> 2 frames, batch 2" in out
    assert "Effective receptive field, trained" in out
    assert "ms-convlstm, hidden 4, 20x20, forecast of 2 -> 3 frames" in analyze(
        capsys, run, "--forecast", "--size=20", "--horizon=3"
    )
    with pytest.raises(SystemExit):
        main(["analyze", run, "--forecast"])
    assert "--size must be given" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["analyze", run, "--hidden", "8"])
    assert "leave out --hidden, --kernel-size" in capsys.readouterr().err


def test_memory_auto_takes_what_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = Cost(partial(build, "ms-convlstm"), Workload((16, 16), 2, 2, 2))
    monkeypatch.setattr("msrnn.training.train.free_memory", lambda device: cost.training_bytes("step"))
    main([*TRAINING, str(tmp_path / "a")])
    assert "memory auto: step" in capsys.readouterr().err
    assert "memory: step" in (tmp_path / "a" / "settings.yaml").read_text()
    monkeypatch.setattr("msrnn.training.train.free_memory", lambda device: None)
    main([*TRAINING, str(tmp_path / "a"), "--resume"])  # goes on as it began
    assert "memory: step" in (tmp_path / "a" / "settings.yaml").read_text()
    monkeypatch.setattr("msrnn.training.train.free_memory", lambda device: 1000)
    with pytest.raises(SystemExit):
        main([*TRAINING, str(tmp_path / "b")])
    assert "nothing fits" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_a_pyramid_of_ones_own_has_a_cost() -> None:
    cost = Cost(partial(build, "predrnn", scales=PYRAMID, skips="full"), Workload((16, 16), 2, 2))
    assert [part.scale for part in cost.parts] == [1, *PYRAMID, 1]
