"""Scores of several models on the same sequences: as rows, as files, as text."""

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from msrnn.atomic import written
from msrnn.errors import SettingsError
from msrnn.scores import SCORES, Score
from msrnn.scores.bootstrap import LEAST_BLOCKS, LEVEL
from msrnn.scores.table import best_value, is_shown
from msrnn.tables import Column, Table

MODEL, PERSISTENCE, CONSTANT, EXTRAPOLATION = "model", "persistence", "best constant image", "extrapolation"
SHORT = {MODEL: "model", PERSISTENCE: "pers.", CONSTANT: "const", EXTRAPOLATION: "extr."}
ALL = "all"
"""Stands for a lead time where all are taken together."""
COMPARABLE = {
    "name": "protocols", "normalisation": "normalisations", "step_minutes": "time steps", "context": "contexts",
    "horizon": "horizons", "fingerprint": "test sequences",
}  # fmt: skip
"""Entries of the protocol that comparable runs share, and the word for each."""
WIDTH, OTHERS = 80, 4
"""Columns of a table, and so many models beside the first there is room for."""


class ScoreRow(NamedTuple):
    """A score of a model, or the difference between two."""

    model: str
    """Or "A - B"."""
    score: str
    threshold: float | None
    window: int | None
    lead: int | str
    """1 is the first frame after the context; "all": all together."""
    value: float
    low: float
    """Lower end of the interval that holds 95 % of the bootstrap's resamples; NaN if there is none."""
    high: float
    n: int
    """Sequences."""
    skill: float
    """Relative to persistence: 0 is as good, 1 is perfect; NaN where that has no meaning."""


@dataclass
class Evaluation:
    """Scores of a model and of its baselines on the same sequences."""

    protocol: dict[str, Any]
    """The data and how they were scored."""
    models: list[str]
    rows: list[ScoreRow]
    notes: list[str] = field(default_factory=list)
    """Sentences that a reader should know."""
    sequences: list[tuple[str, float]] = field(default_factory=list)
    """Each sequence's title, and the model's score on it that `protocol["ranked_by"]` names."""
    resamples: dict[str, np.ndarray] = field(default_factory=dict)
    """`resample_key` to (resample,): the scores over all leads of the bootstrap's resamples."""

    def __post_init__(self) -> None:
        self._rows = {row[:5]: row for row in self.rows}

    def row(self, model: str, score: Score | str, lead: int | str = ALL) -> ScoreRow:
        """Find the row of a model, a score and a lead time.

        Raises:
            KeyError: there is none; the message lists those that there are.
        """
        asked = Score(score) if isinstance(score, str) else score
        key = (model, *asked, lead)
        if key in self._rows:
            return self._rows[key]
        for what, one, known in (("model", model, self.models), ("score", asked, self.scores)):
            if one not in known:
                raise KeyError(f"no {what} {one!r}; choose from {', '.join(map(str, known))}")
        raise KeyError(f"no {asked} of {model} at lead {lead!r}; choose from {', '.join(map(str, self.leads))}, {ALL}")

    def value(self, model: str, score: Score | str, lead: int | str = ALL) -> float:
        """A score."""
        return self.row(model, score, lead).value

    @property
    def leads(self) -> list[int]:
        """The lead times."""
        leads: list[int] = self.protocol["leads"]
        return leads

    @property
    def lead_times(self) -> list[float]:
        """`leads` in minutes, if the step of the data is known, else in frames."""
        step: float | None = self.protocol["step_minutes"]
        return [lead * (step or 1) for lead in self.leads]

    @property
    def scores(self) -> list[Score]:
        """Scores that there are."""
        return list(dict.fromkeys(Score(*row[1:4]) for row in self.rows))

    def name(self, score: Score) -> str:
        """A score's name in a table."""
        name = score.name
        if name in SCORES and SCORES[name].units:
            name = f"{SCORES[name].label or name} {self.protocol['units'][name]}"
        if score.threshold is not None:
            name += f" {score.threshold:g}"
        return name + (f", {score.window} px" if score.window is not None else "")

    def table(self) -> str:
        """The scores that matter most per lead time, and all of them over all leads, at most 80 columns wide."""
        labels = short_labels(self.models)
        text = [self._per_lead(labels).text(WIDTH)]
        text += [self._all_leads(others, labels).text(WIDTH) for others in _chunks(self.models[1:], OTHERS)]
        legend = [f"{label}: {model}" for model, label in labels.items() if model not in SHORT]
        notes = (self.describe_protocol(), *legend, *self.notes)
        text.append("".join(f"{line}\n" for note in notes for line in textwrap.wrap(note, WIDTH)))
        return "\n".join(text)

    def _per_lead(self, labels: dict[str, str]) -> Table:
        """The main scores of all models against lead time, a group of columns for each score."""
        scores = self.scores
        events = any(score.threshold is not None for score in scores)
        main = [
            score
            for score in scores
            if is_shown(score.name, "text") or (not events and is_shown(score.name, "text without events"))
        ]
        main = [score for score in main if any(np.isfinite(self.value(model, score)) for model in self.models)]
        columns = [Column("lead", width=4)]
        rows: list[list[object]] = [[lead] for lead in self.leads]
        for score in main:
            with_skill = best_value(score.name) is not None and PERSISTENCE in self.models
            name = self.name(score)
            group = (name.upper() if score.threshold is None else f"{name} {self.protocol['of_event']}").strip()
            columns += [
                Column(label, form=short, width=5, gap=1, group=group)
                for label in (*labels.values(), *["skill"] * with_skill)
            ]
            for row, lead in zip(rows, self.leads, strict=True):
                skill = [self.row(MODEL, score, lead).skill] * with_skill
                row.extend((*(self.value(model, score, lead) for model in self.models), *skill))
        return Table("", columns, rows)

    def _all_leads(self, others: Sequence[str], labels: dict[str, str]) -> Table:
        """Every score over all lead times: the model's with its interval, and those of some others."""
        columns = [
            Column("all leads", align="<", width=19),
            Column("model", form=short, width=5, gap=1),
            Column(f"{LEVEL:.0%} interval", align="^", width=15),
            *(Column(labels[model], form=short, width=5) for model in others),
            Column("skill", form=short, width=5),
        ]
        rows = []
        for score in self.scores:
            row = self.row(MODEL, score)
            between = "" if np.isnan(row.low) else f"{short(row.low):>6} - {short(row.high):<6}"
            values = (self.value(model, score) for model in others)
            rows.append([self.name(score), row.value, between, *values, None if np.isnan(row.skill) else row.skill])
        return Table("", columns, rows)

    def describe_protocol(self) -> str:
        """The protocol in sentences."""
        p = self.protocol
        frames = f"{p['context']} frames given, {p['horizon']} scored; forecasts clipped to the valid range"
        if p["name"] == "paper":
            true = p["context"] - 1
            frames = f"all frames but the first scored, {true} of them forecast from true ones; forecasts not clipped"
        sentences = [
            f"Protocol {p['name']}: {p['split']} split, {p['sequences']} sequences; {frames}.",
            "mse, mae and rmse are per pixel, mse_sum and mae_sum per frame, in [0, 1] if no units are named; ssim has",
            "a Gaussian window of 11, sigma 1.5 and data range 1; psnr is in dB, mean over frames, at most 100.",
            f"Missing pixels are not scored. Normalisation {p['normalisation']}.",
        ]
        if p.get("precision", "32") != "32":
            sentences.append(f"Forecasts are made in precision {p['precision']}.")
        if p["thresholds"]:
            unit = f", in {p['of_event']}" if p["of_event"] else ""
            sentences += [
                f"An event is a pixel at or above the threshold{unit}; scores are made of the counts of all sequences;",
                "px: edge of the window.",
            ]
        if PERSISTENCE in self.models:
            sentences.append("Skill is relative to persistence: 0 is as good, 1 is perfect.")
        if p["blocks"] >= LEAST_BLOCKS:
            sentences.append(f"Intervals: bootstrap over {p['blocks']} {p['block']}.")
        else:
            sentences.append(f"No intervals: of {p['block']} there are {p['blocks']}, {LEAST_BLOCKS} are needed.")
        return " ".join(sentences)

    def save(self, path: Path) -> None:
        """`path`.txt: the table; `path`.csv: every row; `path`.json: all of it; `path`.npz: resamples."""
        with written(path.with_name(f"{path.name}.txt")) as partial:
            partial.write_text(self.table(), encoding="utf-8")
        with (
            written(path.with_name(f"{path.name}.csv")) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            Table("", ScoreRow._fields, self.rows).write_csv(file)
        with written(path.with_name(f"{path.name}.npz")) as partial:
            np.savez_compressed(partial, **self.resamples)  # type: ignore[arg-type]  # names of arrays
        with written(path.with_name(f"{path.name}.json")) as partial:
            document = {name: getattr(self, name) for name in ("protocol", "models", "notes", "sequences", "rows")}
            partial.write_text(json.dumps(_finite(document | {"columns": ScoreRow._fields})), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Evaluation":
        """Read the files that `save` wrote.

        Raises:
            SettingsError: it is not there, or damaged.
        """
        try:
            document = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
            with path.with_name(f"{path.name}.npz").open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                resamples = {name: file[name] for name in file.files}
            numbers = ScoreRow._fields.index("value")
            rows = [
                ScoreRow(*row[:numbers], *(np.nan if cell is None else cell for cell in row[numbers:]))
                for row in document["rows"]
            ]
            sequences = [(title, np.nan if value is None else value) for title, value in document["sequences"]]
            return cls(document["protocol"], document["models"], rows, document["notes"], sequences, resamples)
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise SettingsError(f"{path}.json cannot be used ({error}): run msrnn evaluate again") from error


def _chunks(items: Sequence[str], count: int) -> list[Sequence[str]]:
    return [items[start : start + count] for start in range(0, max(1, len(items)), count)]


def resample_key(model: str, score: Score) -> str:
    """Make a key of `Evaluation.resamples`."""
    return " ".join("-" if part is None else str(part) for part in (*score, model))


def short_labels(models: Sequence[str]) -> dict[str, str]:
    """Models' names in at most five letters."""
    return {model: SHORT.get(model, f"run{number}") for number, model in enumerate(models)}


def short(value: float) -> str:
    """At most five letters, without the zero before the point."""
    size, negative = abs(value), value < 0
    if 0 < size < (5e-4 if negative else 5e-5) or size >= (9_999.5 if negative else 99_999.5):
        return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-")
    digits = 4 if size < 0.99995 else 2 if size < 99.995 else 1 if size < 999.95 else 0
    return re.sub(r"^(-?)0\.", r"\1.", f"{value + 0.0:.{max(0, digits - negative)}f}")


def _finite(value: Any) -> Any:
    """Numbers that JSON has: what is not finite becomes null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
