"""A trained model's scores on held-out sequences, beside what a forecast has to beat."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from msrnn.data import open_split
from msrnn.files import written
from msrnn.predictor import Predictor
from msrnn.scores import ForecastScores, scoring_device
from msrnn.settings import RunSettings, Split
from msrnn.training.loading import evaluation_loader


@dataclass
class Evaluation:
    """Scores per lead time of a model and of its baselines on the same sequences."""

    scores: dict[str, dict[str, np.ndarray]]
    """model -> score -> (horizon,)"""
    protocol: str
    """What was scored, and how."""

    def table(self) -> str:
        """All scores per lead time and their means, at most 80 columns wide."""
        names, models = ForecastScores.names, list(self.scores)
        columns = [self.scores[model][name] for name in names for model in models]
        rows = [(str(lead), [column[lead - 1] for column in columns]) for lead in range(1, len(columns[0]) + 1)]
        rows.append(("mean", [column.mean() for column in columns]))
        lines = [
            "    " + "".join(f"  {f' {name.upper()} ':-^{6 * len(models) - 2}}" for name in names),
            "lead" + "".join(f"{SHORT[model]:>6}" for model in models) * len(names),
            *(f"{lead:>4}" + "".join(f"{_short(value):>6}" for value in values) for lead, values in rows),
        ]
        return "\n".join(lines) + f"\n\n{self.protocol}\n"

    def save(self, path: Path) -> None:
        """`path`.txt: the table; `path`.csv: long form, model, score, lead (0: the mean over leads), value."""
        with written(path.with_name(f"{path.name}.txt")) as partial:
            partial.write_text(self.table())
        with written(path.with_name(f"{path.name}.csv")) as partial, partial.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("model", "score", "lead", "value"))
            for model, scores in self.scores.items():
                for name, values in scores.items():
                    writer.writerow((model, name, 0, values.mean()))
                    writer.writerows((model, name, lead, value) for lead, value in enumerate(values, start=1))


SHORT = {"model": "model", "persistence": "pers.", "best constant image": "const"}


def _short(value: float) -> str:
    """Four digits at most, without the zero before the point."""
    text = f"{value:.{4 if abs(value) < 1 else 2}f}"
    return re.sub(r"^(-?)0\.", r"\1.", text)[:5]


def evaluate(
    predictor: Predictor, settings: RunSettings, split: Split = "test", batch_size: int = 16, workers: int = 0
) -> Evaluation:
    """Score free-running forecasts, persistence and the best constant image on a split.

    The best constant image is the mean of the very frames that are scored: no still picture, however blurred, has a
    lower MSE.

    Raises:
        SettingsError: the data cannot be read.
    """
    samples = settings.data.test_samples if split == "test" else settings.data.validation_samples
    dataset = open_split(settings.data, split, settings.length, samples, settings.seed)
    context, horizon = settings.context, settings.horizon
    device = next(predictor.model.parameters()).device

    def batches(what: str) -> Iterator[tuple[Tensor, Tensor]]:
        loader = evaluation_loader(dataset, batch_size, workers)
        for _, frames in tqdm(loader, desc=what, disable=None, leave=False):
            yield frames[:, :context].to(device), frames[:, context:].to(device)

    total: Tensor | float = 0.0
    count = 0
    for _, truth in batches("best constant image"):
        total = total + truth.cpu().double().sum(dim=(0, 1))
        count += truth.shape[0] * horizon
    constant = (torch.as_tensor(total) / count).float().to(device)
    forecasts: dict[str, Callable[[Tensor], Tensor]] = {
        "model": lambda given: predictor.model.forecast(given, horizon).clamp(0, 1),
        "persistence": lambda given: given[:, -1:].expand(-1, horizon, -1, -1, -1),
        "best constant image": lambda given: constant.expand(len(given), horizon, -1, -1, -1),
    }
    scores = {name: ForecastScores(horizon).to(scoring_device(device)) for name in forecasts}
    for given, truth in batches("evaluating"):
        for name, forecast in forecasts.items():
            scores[name].update(forecast(given), truth)
    return Evaluation(
        {name: {key: value.cpu().numpy() for key, value in s.compute().items()} for name, s in scores.items()},
        f"Protocol: {split} split, {len(dataset)} sequences; {context} frames given, {horizon} scored;\n"  # type: ignore[arg-type]
        "free-running forecasts clipped to [0, 1]; MSE and MAE per pixel; SSIM with a\n"
        "Gaussian window of 11, sigma 1.5, data range 1; PSNR in dB, mean over frames;\n"
        "pers. repeats the last given frame; const is the mean of all scored frames.",
    )
