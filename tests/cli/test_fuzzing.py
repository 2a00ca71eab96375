"""What nobody would think of asking: it works, or is refused with an error that says so."""

import io
import math
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import msrnn
from msrnn.cli import main
from msrnn.data.field import Field
from msrnn.errors import SettingsError
from msrnn.runs.predictor import Predictor
from msrnn.settings import DataSettings, ModelSettings, RunSettings, TrainingLength, UnitName
from msrnn.units import RAIN_UNITS, Z_R, Units, from_rate, to_rate

pytestmark = pytest.mark.slow
slow = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
small = st.integers(-1, 3)
names = st.sampled_from([*msrnn.list_models(), "ms-nothing", ""])
sizes = st.integers(0, 20)
dtypes = st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool])


@slow
@given(
    name=names,
    options=st.fixed_dictionaries(
        {},
        optional={
            "hidden_channels": st.sampled_from([-4, 0, 1, 3, 4, 8]),
            "kernel_size": st.integers(-1, 6),
            "scales": st.lists(st.sampled_from([0, 1, 2, 4, 3]), max_size=6).map(tuple),
            "skips": st.sampled_from(["none", "mirror", "unet3+", "full", "other"]),
            "memory": st.sampled_from(["keep", "step", "sqrt", "other"]),
            "links": small,
            "window": st.integers(-1, 9),
        },
    ),
    channels=st.tuples(small, st.none() | small),
    shape=st.tuples(st.integers(0, 2), st.integers(0, 3), small, sizes, sizes),
    dtype=dtypes,
    horizon=st.integers(-1, 3),
)
def test_models(
    name: str,
    options: dict[str, Any],
    channels: tuple[int, int | None],
    shape: tuple[int, ...],
    dtype: torch.dtype,
    horizon: int,
) -> None:
    torch.manual_seed(0)
    try:
        options = {"hidden_channels": 4} | options
        model = msrnn.create_model(name, in_channels=channels[0], out_channels=channels[1], **options)
    except ValueError as error:
        assert str(error)
        return
    frames = torch.zeros([max(0, edge) for edge in shape]).to(dtype)
    try:
        forecast = model.forecast(frames, horizon=horizon)
    except ValueError as error:
        assert str(error)
        with pytest.raises(ValueError):  # noqa: PT011
            model(frames, context=1) if horizon >= 1 else model.forecast(frames, horizon=horizon)
        return
    batch, _, _, height, width = shape
    assert forecast.shape == (batch, horizon, model.out_channels, height, width)
    assert forecast.isfinite().all()
    state = None
    for frame in frames.unbind(dim=1):
        predicted, state = model.step(frame, state)
    torch.testing.assert_close(predicted, forecast[:, 0], rtol=1e-4, atol=1e-5)


FIELDS: list[tuple[Any, UnitName, dict[str, Any]]] = [
    ("none", "1", {}),
    ("range", "1", {"smallest": -5.0, "largest": 1200.0}),
    ("rain", "mm/h", {}),
    ("rain", "dBZ", {}),
]
PICTURES: dict[str, Callable[[tuple[int, ...]], np.ndarray]] = {
    "dry": np.zeros,
    "wet": np.ones,
    "constant": lambda shape: np.full(shape, 0.3),
    "one wet frame": lambda shape: np.concatenate([np.zeros((2, *shape[1:])), np.ones((1, *shape[1:]))]),
    "large": lambda shape: np.full(shape, 1e30),
    "small": lambda shape: np.full(shape, -1e30),
    "both": lambda shape: 1e30 * np.random.default_rng(0).uniform(-1, 1, shape),
    "mostly missing": lambda shape: np.where(np.arange(math.prod(shape)).reshape(shape) % 7 == 3, 0.5, np.nan),
}


@pytest.mark.parametrize("size", [(1, 1), (9, 12)])
def test_forecasts_are_numbers_whatever_the_input(name: str, size: tuple[int, int]) -> None:
    """Of all models; values out of range are refused or cut, and NaN comes out only where nothing was known."""
    torch.manual_seed(0)
    model = msrnn.create_model(name, hidden_channels=4)
    for parameter in model.parameters():
        parameter.data.mul_(4)
    for normalisation, units, options in FIELDS:
        field = Field(units=Units(units), normalisation=normalisation, **options)
        run = RunSettings(ModelSettings(name), DataSettings(name="moving-mnist"), context=3, horizon=2)
        predictor = Predictor(model, run, field)
        for picture, make in PICTURES.items():
            frames = make((3, *size)).astype(np.float32)
            try:
                forecast = predictor.predict(frames)
            except ValueError as error:
                refused = "must lie in" if abs(np.nan_to_num(frames)).max() > 1 else "missing"
                assert refused in str(error), (picture, str(error))
                continue
            known = ~np.isnan(frames).all(axis=0)
            assert np.isfinite(forecast[:, known]).all(), (picture, normalisation)
            assert np.isnan(forecast[:, ~known]).all(), (picture, normalisation)
    with pytest.raises(ValueError, match="all values are missing"):
        predictor.predict(np.full((3, *size), np.nan, np.float32))


@given(
    rates=st.lists(st.floats(0, 300, width=32), min_size=1, max_size=20),
    unit=st.sampled_from(sorted(RAIN_UNITS)),
    interval=st.floats(1, 1440),
    z_r=st.sampled_from(sorted(Z_R)),
)
def test_units_there_and_back(rates: list[float], unit: UnitName, interval: float, z_r: str) -> None:
    units = Units(unit, interval)
    given_rates = torch.tensor(rates, dtype=torch.float64)
    back = to_rate(from_rate(given_rates, units, Z_R[z_r]), units, Z_R[z_r])
    floor = given_rates < 0.05  # below, a reflectivity is that of no rain
    torch.testing.assert_close(back[~floor], given_rates[~floor], rtol=1e-4, atol=1e-6)
    assert (back[floor] < 0.06).all()
    assert (back >= 0).all()


WORDS = """
train evaluate predict report analyze data inspect convert --model --data --out --resume --size --context --horizon
--batch --memory --precision --output --input --config --epochs --help --version --devices --data.crop
--model.hidden-channels --model.options --device --units --to --reader --thresholds --skip-bad -h -- =
ms-convlstm moving-mnist keep 32 0 -1 1e9 nan 64x64 4,4 [1,2] {a:1} / . missing.npy x.yaml None true
"""
words = st.sampled_from(WORDS.split())


@settings(deadline=None, max_examples=300)
@given(arguments=st.lists(words | st.text(max_size=8), max_size=6))
def test_the_command_line(arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is typed: an answer, or one line and exit code 2; never a traceback."""
    said = io.StringIO()
    code: str | int = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(said), redirect_stdout(io.StringIO()):
        patch.chdir(tmp_path_factory.mktemp("typed"))
        try:
            main(arguments)
        except SystemExit as leaving:
            code = leaving.code or 0
    assert code in (0, 2), said.getvalue()
    if code == 2:
        assert len(said.getvalue().splitlines()) == 1, said.getvalue()
        assert said.getvalue().startswith("msrnn: ")


@given(st.dictionaries(st.sampled_from(["context", "horizon", "batch_size", "accumulate", "epochs", "warmup", "clip",
       "learning_rate", "patience", "workers", "seed", "devices", "nodes"]),
       st.integers(-2, 40) | st.floats() | st.none()))  # fmt: skip
def test_settings(options: dict[str, Any]) -> None:
    try:
        run = RunSettings(ModelSettings("ms-convlstm"), DataSettings(name="moving-mnist", epoch_samples=100), **options)
    except (SettingsError, TypeError) as error:
        assert str(error)
        return
    assert TrainingLength.of(run, 100).steps >= 1
    assert run.length >= 2
