"""The result of `msrnn analyze`: a table, a document and a figure."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter
from numpy.typing import NDArray

from msrnn.analysis.cost import Cost, ways_to_fit
from msrnn.analysis.receptive import WHOLE, width_of_share
from msrnn.errors import Spell, join
from msrnn.nn.models import MODELS, PLAIN
from msrnn.nn.recompute import MODES
from msrnn.tables import BYTES, FLOPS, Column, Table, format_bytes, scale_of

SHARES = (0.5, 0.9)
COLOURS = ("#8b919b", "#2f7fd0")
"""Colours of the plain stack and of the pyramid."""
WARNING = "#d0485a"


@dataclass(frozen=True)
class Analysis:
    """A model and its counterpart: the plain stack and the pyramid of the same cell, or the other way round."""

    names: tuple[str, ...]
    """The model that was asked about comes first."""
    costs: tuple[Cost, ...]
    memory: str
    """The memory mode that was asked about."""
    device: str
    available: int | None
    """Bytes that the device has for a training; None, if it does not say."""
    fields: tuple[NDArray[np.int64], ...]
    """Theoretical receptive fields, (steps, layer)."""
    influences: tuple[NDArray[np.float64] | None, ...]
    """Effective receptive fields of the next frame, (context, y, x); None where it was not measured."""

    @property
    def cost(self) -> Cost:
        """Cost of the model that was asked about."""
        return self.costs[0]

    @property
    def _model(self) -> str:
        return f"{self.names[0]}, patch {self.cost.patch}" if self.cost.patch > 1 else self.names[0]

    @property
    def measured(self) -> str:
        """Name the weights of effective receptive fields: "trained" (one model) or "untrained" (both)."""
        return "trained" if any(influence is None for influence in self.influences) else "untrained"

    def document(self) -> dict[str, Any]:
        """Everything, for a file."""
        return {
            "workload": asdict(self.cost.workload),
            "memory": self.memory,
            "device": {"name": self.device, "bytes": self.available},
            "models": {name: self._document(number) for number, name in enumerate(self.names)},
        }

    def _document(self, number: int) -> dict[str, Any]:
        cost = self.costs[number]
        document: dict[str, Any] = {
            "parameters": cost.parameters,
            "forward_flops": cost.forward_flops,
            "forecast_peak_bytes": cost.forecast_peak,
            "memory": {
                mode: {
                    "training_flops": cost.training_flops(mode),
                    "saved_bytes": cost.saved(mode),
                    "peak_bytes": cost.peak(mode),
                    "training_bytes": cost.training_bytes(mode),
                }
                for mode in MODES
            },
            "parts": [part._asdict() for part in cost.parts],
            "receptive_field": [[None if w == WHOLE else w for w in row] for row in self.fields[number].tolist()],
        }
        influence = self.influences[number]
        if influence is not None:
            document["influence_of_frame"] = influence.sum(axis=(1, 2)).tolist()
            document["width_of_share"] = {share: _edge(influence, share) for share in SHARES}
        return document

    def table(self, spell: Spell = str) -> str:
        """Write everything for a terminal of 80 columns, with settings spelled by `spell`."""
        work, (height, width) = self.cost.workload, self.cost.workload.size
        title = (
            f"{self._model}, {height}x{width}, {work.context} -> {work.horizon} frames, batch {work.batch}, "
            f"precision {work.precision}"
        )
        fit = "".join(f"{line}\n" for line in self._fit(spell))
        tables = [self._layers(title), self._totals(), self._theoretical_fields(), self._effective_fields()]
        layers, totals, *fields = (table.text(80) for table in tables)
        return "\n".join((layers, totals, fit, *fields))

    def _layers(self, title: str) -> Table:
        """Costs of one time step, by part of the model."""
        total = self.cost.total
        (flop, flops), (byte, bytes_) = scale_of(total.flops, FLOPS[1:]), scale_of(total.activations, BYTES[1:])
        columns = [
            Column("one time step", align="<", width=14),
            Column("scale", gap=1),
            Column("parameters", form=","),
            *(Column(name, form=".3f") for name in (f"forward {flop}", f"kept {byte}", f"state {byte}")),
        ]
        rows = []
        for part in (*self.cost.parts, total):
            pixels = part.scale * self.cost.patch
            scale = f"1/{pixels}" if pixels > 1 else "1" if pixels else ""
            numbers = part.flops / flops, part.activations / bytes_, part.state / bytes_
            rows.append((part.name, scale, part.parameters, *numbers))
        return Table(title, columns, rows)

    def _totals(self) -> Table:
        """Costs of a whole sequence, of the model and its counterpart."""
        first, second = self.costs
        flop, flops = scale_of(min(cost.forward_flops for cost in self.costs), FLOPS)
        byte, bytes_ = scale_of(min(cost.peak("keep") for cost in self.costs), BYTES)
        quantities: list[tuple[str, str, Callable[[Cost], float]]] = [
            ("parameters", ",", lambda cost: cost.parameters),
            (f"forward {flop}", ".3f", lambda cost: cost.forward_flops / flops),
            *((f"training {flop}, {m}", ".3f", lambda cost, m=m: cost.training_flops(m) / flops) for m in MODES),
            *((f"saved {byte}, {m}", ".3f", lambda cost, m=m: cost.saved(m) / bytes_) for m in MODES),
            *((f"peak {byte}, {m}", ".3f", lambda cost, m=m: cost.peak(m) / bytes_) for m in MODES),
            (f"peak {byte}, forecast", ".3f", lambda cost: cost.forecast_peak / bytes_),
        ]
        columns = [
            Column("whole sequence", align="<", width=32),
            *(Column(name, width=14) for name in self.names),
            Column("ratio", form=".2f", width=6),
        ]
        rows = []
        for what, form, quantity in quantities:
            a, b = quantity(first), quantity(second)
            rows.append((what, format(a, form), format(b, form), a / b))
        return Table("", columns, rows)

    def _fit(self, spell: Spell) -> list[str]:
        needs: dict[str, int] = {mode: self.cost.training_bytes(mode) for mode in MODES}
        all_in_all = ", ".join(f"{mode} {format_bytes(bytes_)}" for mode, bytes_ in needs.items())
        lines = [f"With weights, Adam and frames: {all_in_all}."]
        if self.available is None:
            return [*lines, f"How much memory {self.device} has is not known."]
        free = f"{self.device} has {format_bytes(self.available)} for it"
        if needs[self.memory] <= self.available:
            return [*lines, f"{free}: this run fits with memory {self.memory}."]
        return [
            *lines,
            f"{free}: this run does not fit with memory {self.memory}.",
            "What would help the training:",
            *(f"- {join(way, spell)}" for way in ways_to_fit(self.cost, self.available)),
        ]

    def _theoretical_fields(self) -> Table:
        """Theoretical receptive fields of both models, by layer and by the frame's age."""
        lags = [lag for lag in LAGS if lag < len(self.fields[0])]
        columns = [
            Column("age", align="<", width=14),
            *(Column(str(lag), width=5, group=name) for name in self.names for lag in lags),
        ]
        rows = []
        for layer in range(max(field.shape[1] for field in self.fields)):
            widths = (field[lag, layer] if layer < field.shape[1] else "-" for field in self.fields for lag in lags)
            rows.append((f"layer {layer}", *("all" if self._covers(width) else str(width) for width in widths)))
        return Table("Receptive field in pixels, by layer and by the age of the frame in steps", columns, rows)

    def _effective_fields(self) -> Table:
        """Effective receptive fields of both models, where they were measured."""
        columns = [
            Column(f"Effective receptive field, {self.measured}", align="<", width=36),
            *(Column(name, width=14) for name in self.names),
        ]
        rows = [(f"edge that holds {share:.0%}, pixels", *self._cells(partial(_edge, share=share))) for share in SHARES]
        rows.append(("share of the newest frame", *self._cells(lambda influence: f"{influence[-1].sum():.0%}")))
        return Table("", columns, rows)

    def _covers(self, width: Any) -> bool:
        """Whether a field of that width holds every frame as a whole, wherever its centre is."""
        return bool(width != "-" and (width == WHOLE or width >= 2 * max(self.cost.workload.size) - 1))

    def _cells(self, describe: Callable[[NDArray[np.float64]], object]) -> list[str]:
        return ["-" if influence is None else str(describe(influence)) for influence in self.influences]

    def figure(self) -> Figure:
        """Costs by layer, memory by mode and receptive fields, plain and pyramid side by side."""
        with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
            figure = Figure(figsize=(10, 7.4), layout="constrained")
            work, (height, width) = self.cost.workload, self.cost.workload.size
            figure.suptitle(
                f"{self._model}: {height}x{width}, {work.context} \N{RIGHTWARDS ARROW} {work.horizon} frames, "
                f"batch {work.batch}, precision {work.precision}, {self.cost.parameters:,} parameters"
            )
            panels = figure.subplots(2, 2)
            self._draw_layers(panels[0, 0])
            self._draw_memory(panels[0, 1])
            self._draw_fields(panels[1, 0])
            self._draw_influence(panels[1, 1])
            bars = panels[0, 0].get_legend_handles_labels()
            figure.legend(*bars, loc="outside lower center", ncols=2, frameon=False)
        return figure

    def _colours(self) -> tuple[str, str]:
        return COLOURS if MODELS[self.names[0]].scales == PLAIN else (COLOURS[1], COLOURS[0])

    def _draw_layers(self, axes: Axes) -> None:
        layers = [[part for part in cost.parts if part.name.startswith("layer")] for cost in self.costs]
        unit, divisor = scale_of(max(part.activations for parts in layers for part in parts), BYTES)
        for number, (name, parts, colour) in enumerate(zip(self.names, layers, self._colours(), strict=True)):
            places = np.arange(len(parts)) + 0.4 * (number - 0.5)
            axes.bar(places, [part.activations / divisor for part in parts], 0.38, color=colour, label=name)
        axes.set(xlabel="layer", ylabel=unit, title="Kept activations of one time step")

    def _draw_memory(self, axes: Axes) -> None:
        most = max(cost.peak("keep") for cost in self.costs)
        unit, divisor = scale_of(most, BYTES)
        for number, (cost, colour) in enumerate(zip(self.costs, self._colours(), strict=True)):
            places = np.arange(len(MODES)) + 0.4 * (number - 0.5)
            axes.bar(places, [cost.peak(mode) / divisor for mode in MODES], 0.38, color=colour, alpha=0.45)
            axes.bar(places, [cost.saved(mode) / divisor for mode in MODES], 0.38, color=colour)
        if self.available is not None and self.available < 1.5 * most:
            axes.axhline(self.available / divisor, color=WARNING, linewidth=1)
            place = (len(MODES) - 0.5, self.available / divisor)
            axes.annotate(f"free on {self.device}", place, color=WARNING, ha="right", va="bottom")
        axes.set_xticks(range(len(MODES)), MODES)
        axes.set(xlabel="memory mode", ylabel=unit, title="Saved (full) and peak (pale) memory of training")

    def _draw_fields(self, axes: Axes) -> None:
        whole = 2 * max(self.cost.workload.size) - 1
        lags = [lag for lag in LAGS if lag < len(self.fields[0])]
        for field, colour in zip(self.fields, self._colours(), strict=True):
            for lag, line in zip(lags, ("-", "--", ":", "-."), strict=False):
                shown = np.where(field[lag] == WHOLE, whole, field[lag].clip(max=whole))
                axes.plot(shown, line, color=colour, marker=".", markersize=4)
        for lag, line in zip(lags, ("-", "--", ":", "-."), strict=False):
            axes.plot(
                [], [], line, color="black", label=f"frame {lag} step{'s' * (lag > 1)} old" if lag else "newest frame"
            )
        axes.axhline(whole, color=WARNING, linewidth=0.8)
        axes.annotate("the whole frame, wherever the centre is", (0, 1.06 * whole), color=WARNING, fontsize=8)
        axes.set(xlabel="layer", ylabel="pixels", title="Theoretical receptive field", yscale="log")
        axes.set_ylim(top=1.3 * whole)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.legend(frameon=False, fontsize=8, loc="lower right")

    def _draw_influence(self, axes: Axes) -> None:
        axes.set_title(f"Effective receptive field of the next frame, {self.measured}")
        axes.set_axis_off()
        for number, (name, influence) in enumerate(zip(self.names, self.influences, strict=True)):
            if influence is None:
                continue
            draw_influence(axes.inset_axes((0.52 * number, 0.12, 0.47, 0.85)), influence, name)
        axes.annotate(
            "colours: logarithmic, 1 to 10\N{SUPERSCRIPT MINUS}\N{SUPERSCRIPT FIVE}",
            (0.5, -0.04),
            ha="center",
            fontsize=8,
        )


def draw_influence(axes: Axes, influence: NDArray[np.float64], name: str) -> None:
    """An effective receptive field (context, y, x), with squares that hold shares of it; colours are logarithmic."""
    picture = influence.sum(axis=0)
    axes.imshow(np.log10(picture / picture.max() + 1e-6), cmap="magma", vmin=-5, vmax=0)
    axes.set(xticks=[], yticks=[])
    centre = [edge // 2 for edge in picture.shape]
    edges = [_edge(influence, share) for share in SHARES]
    for edge in edges:
        corner = (centre[1] - edge / 2, centre[0] - edge / 2)
        axes.add_patch(Rectangle(corner, edge, edge, fill=False, edgecolor="white", linewidth=0.8))
    within = ", ".join(f"{share:.0%} in {edge}" for share, edge in zip(SHARES, edges, strict=True))
    axes.set_xlabel(f"{name}\n{within} pixels", fontsize=8)


def _edge(influence: NDArray[np.float64], share: float) -> int:
    return width_of_share(influence.sum(axis=0), share)


LAGS = (0, 1, 4, 9)
"""Ages of frames, in steps, whose receptive fields are shown."""
