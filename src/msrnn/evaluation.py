"""A trained model's scores on held-out sequences, beside what a forecast has to beat."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from msrnn.data import open_data
from msrnn.files import written
from msrnn.predictor import Predictor
from msrnn.scores import RAIN_SCORES, Contingency, ForecastScores, scoring_device
from msrnn.settings import RunSettings, Split
from msrnn.training.loading import evaluation_loader
from msrnn.units import RAIN_WEIGHTS

THRESHOLDS_MM_H = tuple(rate for rate, _ in RAIN_WEIGHTS)
BATCH_NUMBERS = 20_000_000
"""Numbers in a batch, about."""
MODEL, PERSISTENCE, CONSTANT = "model", "persistence", "best constant image"
SHORT = {MODEL: "model", PERSISTENCE: "pers.", CONSTANT: "const"}


@dataclass
class Evaluation:
    """Scores per lead time of a model and of its baselines on the same sequences."""

    scores: dict[str, dict[str, np.ndarray]]
    """model -> score -> (horizon,)"""
    protocol: str
    """What was scored, and how."""
    counts: dict[str, Tensor] = field(default_factory=dict)
    """model -> (4, threshold, horizon) int64: hits, misses, false alarms, correct negatives; of rain alone."""
    thresholds_mm_h: tuple[float, ...] = ()

    def table(self) -> str:
        """All scores per lead time and their means, at most 80 columns wide."""
        names, models = ForecastScores.names, list(self.scores)
        columns = [self.scores[model][name] for name in names for model in models]
        rows = [(str(lead), [column[lead - 1] for column in columns]) for lead in range(1, len(columns[0]) + 1)]
        rows.append(("mean", [column.mean() for column in columns]))
        text = _table([name.upper() for name in names], models, "lead", rows)
        if self.counts:
            leads = [
                [RAIN_SCORES["csi"](self.counts[model])[number].numpy() for model in models]
                for number in range(len(self.thresholds_mm_h))
            ]
            rows = [
                (str(lead), [values[lead - 1] for of_threshold in leads for values in of_threshold])
                for lead in range(1, len(columns[0]) + 1)
            ]
            rows.append(("mean", [values.mean() for of_threshold in leads for values in of_threshold]))
            heads = [f"{threshold:g} mm/h" for threshold in self.thresholds_mm_h]
            text += "\nCSI\n" + _table(heads, models, "lead", rows)
            pooled = {model: counts.sum(dim=-1) for model, counts in self.counts.items()}
            rows = [
                (
                    f"{threshold:g}",
                    [float(score(pooled[m])[number]) for score in RAIN_SCORES.values() for m in models],
                )
                for number, threshold in enumerate(self.thresholds_mm_h)
            ]
            text += "\nAll leads pooled\n" + _table([name.upper() for name in RAIN_SCORES], models, "mm/h", rows)
        return f"{text}\n{self.protocol}\n"

    def save(self, path: Path) -> None:
        """`path`.txt: the table; `path`.csv: long form, model, score, threshold in mm/h, lead, value.

        Lead 0 is the mean over leads; of scores with a threshold, the score of the counts of all leads.
        """
        with written(path.with_name(f"{path.name}.txt")) as partial:
            partial.write_text(self.table())
        with written(path.with_name(f"{path.name}.csv")) as partial, partial.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("model", "score", "threshold_mm_h", "lead", "value"))
            for model, scores in self.scores.items():
                for name, values in scores.items():
                    writer.writerow((model, name, "", 0, values.mean()))
                    writer.writerows((model, name, "", lead, value) for lead, value in enumerate(values, start=1))
            for model, counts in self.counts.items():
                for number, threshold in enumerate(self.thresholds_mm_h):
                    cells = counts[:, number]
                    with_total = torch.cat((cells.sum(dim=-1, keepdim=True), cells), dim=-1)
                    for name, score in RAIN_SCORES.items():
                        of_leads = enumerate(score(with_total).tolist())
                        writer.writerows((model, name, threshold, lead, value) for lead, value in of_leads)


def _table(heads: list[str], models: list[str], corner: str, rows: list[tuple[str, list[float]]]) -> str:
    """A column for each model under each head."""
    lines = [
        "    " + "".join(f"  {f' {head} ':-^{6 * len(models) - 2}}" for head in heads),
        f"{corner:>4}" + "".join(f"{SHORT[model]:>6}" for model in models) * len(heads),
        *(f"{name:>4}" + "".join(f"{_short(value):>6}" for value in values) for name, values in rows),
    ]
    return "\n".join(lines) + "\n"


def _short(value: float) -> str:
    """Four digits at most, without the zero before the point."""
    text = f"{value if abs(value) >= 5e-5 else 0:.{4 if abs(value) < 1 else 2}f}"
    return re.sub(r"^(-?)0\.", r"\1.", text)[:5]


def evaluate(
    predictor: Predictor,
    settings: RunSettings,
    split: Split = "test",
    batch_size: int | None = None,
    workers: int = 0,
) -> Evaluation:
    """Score free-running forecasts and persistence on a split; and the best constant image, or, of rain, yes-or-no
    forecasts at `THRESHOLDS_MM_H`.

    The best constant image is the mean of the very frames that are scored: no still picture, however blurred, has a
    lower MSE. By default a batch is of as many sequences as `BATCH_NUMBERS` allows, at most 16.

    Raises:
        SettingsError: the data cannot be read.
    """
    frame = predictor.field
    context, horizon = settings.context, settings.horizon
    dataset: Dataset[Tensor] = open_data(settings.data, context, horizon, settings.seed, frame).held_out(split)
    device = next(predictor.model.parameters()).device
    if batch_size is None:
        batch_size = max(1, min(16, BATCH_NUMBERS // dataset[0].numel()))
    loader = evaluation_loader(dataset, batch_size, workers)

    def batches(what: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for values in tqdm(loader, desc=what, disable=None, leave=False):
            yield values.to(device), *frame.to_network(values.to(device))

    forecasts: dict[str, Callable[[Tensor], Tensor]] = {
        MODEL: lambda given: predictor.model.forecast(given, horizon).clamp(0, 1),
        PERSISTENCE: lambda given: given[:, -1:].expand(-1, horizon, -1, -1, -1),
    }
    if not frame.is_rain:
        total: Tensor | float = 0.0
        count: Tensor | float = 0.0
        for _, frames, valid in batches("best constant image"):
            total = total + frames[:, context:].where(valid[:, context:], 0).cpu().double().sum(dim=(0, 1))
            count = count + valid[:, context:].cpu().double().sum(dim=(0, 1))
        constant = torch.nan_to_num(torch.as_tensor(total / count)).float().to(device)  # where nothing is scored
        forecasts[CONSTANT] = lambda given: constant.expand(len(given), horizon, -1, -1, -1)
    scores = {name: ForecastScores(horizon).to(scoring_device(device)) for name in forecasts}
    tables = {name: Contingency(horizon, THRESHOLDS_MM_H) for name in forecasts if frame.is_rain}
    for values, frames, valid in batches("evaluating"):
        made = {name: forecast(frames[:, :context]) for name, forecast in forecasts.items()}
        for name, forecast in made.items():
            scores[name].update(forecast, frames[:, context:], valid[:, context:])
        if tables:
            rates = {name: frame.rates(frame.from_network(forecast)) for name, forecast in made.items()}
            last = frame.rates(
                values[:, context - 1 : context]
            )  # not through the network's range: exact at a threshold
            rates[PERSISTENCE] = torch.where(last.isnan(), rates[PERSISTENCE], last)
            for name, table in tables.items():
                table.update(rates[name], frame.rates(values[:, context:]))
    protocol = (
        f"Protocol: {split} split, {len(dataset)} sequences; {context} frames given, {horizon} scored;\n"  # type: ignore[arg-type]
        "free-running forecasts clipped to [0, 1]; MSE and MAE per pixel; SSIM with a\n"
        "Gaussian window of 11, sigma 1.5, data range 1; PSNR in dB, mean over frames;\n"
        f"normalisation {frame.said};\n"
    )
    if tables:
        protocol += "an event is a pixel at or above the threshold; missing pixels are not scored;\n"
    protocol += "pers. repeats the last given frame" + ("." if tables else "; const is the mean of all scored frames.")
    return Evaluation(
        {name: {key: value.cpu().numpy() for key, value in s.compute().items()} for name, s in scores.items()},
        protocol,
        {name: table.compute() for name, table in tables.items()},
        THRESHOLDS_MM_H if tables else (),
    )
