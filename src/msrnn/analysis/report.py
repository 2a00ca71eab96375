"""What `msrnn analyze` says about a model before it is trained: a table, a document and a figure."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from msrnn.analysis.cost import Cost, ways_to_fit
from msrnn.analysis.receptive import WHOLE, width_of_share
from msrnn.memory import MODES
from msrnn.models import MODELS, PLAIN

GIB = 2**30
SHARES = (0.5, 0.9)
COLOURS = ("#8b919b", "#2f7fd0")
"""Of the plain stack and of the pyramid."""


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
        """Of the model that was asked about."""
        return self.costs[0]

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

    def table(self) -> str:
        """Everything, for a terminal of 80 columns."""
        return "\n".join((*self._layers(), "", *self._totals(), "", *self._fit(), "", *self._receptive_fields(), ""))

    def _layers(self) -> list[str]:
        work, (height, width) = self.cost.workload, self.cost.workload.size
        lines = [
            f"{self.names[0]}, {height}x{width}, {work.context} -> {work.horizon} frames, batch {work.batch}, "
            f"precision {work.precision}",
            "",
            f"{'one time step':14}{'scale':>6}{'parameters':>12}{'forward GFLOP':>15}{'kept MiB':>10}{'state MiB':>11}",
        ]
        for part in (*self.cost.parts, self.cost.total):
            scale = f"1/{part.scale}" if part.scale > 1 else "1" if part.scale else ""
            lines.append(
                f"{part.name:14}{scale:>6}{part.parameters:12,}{part.flops / 1e9:15.3f}"
                f"{part.activations / 2**20:10.1f}{part.state / 2**20:11.1f}"
            )
        return lines

    def _totals(self) -> list[str]:
        first, second = self.costs
        lines = [f"{'whole sequence':32}{self.names[0]:>16}{self.names[1]:>16}{'ratio':>8}"]

        quantities: list[tuple[str, str, Callable[[Cost], float]]] = [
            ("parameters", ",", lambda cost: cost.parameters),
            ("forward TFLOP", ".3f", lambda cost: cost.forward_flops / 1e12),
            *((f"training TFLOP, {m}", ".3f", lambda cost, m=m: cost.training_flops(m) / 1e12) for m in MODES),
            *((f"saved GiB, {m}", ".3f", lambda cost, m=m: cost.saved(m) / GIB) for m in MODES),
            *((f"peak GiB, {m}", ".3f", lambda cost, m=m: cost.peak(m) / GIB) for m in MODES),
            ("peak GiB, forecast", ".3f", lambda cost: cost.forecast_peak / GIB),
        ]
        for what, form, quantity in quantities:
            a, b = quantity(first), quantity(second)
            lines.append(f"{what:32}{a:16{form}}{b:16{form}}{a / b:8.2f}")
        return lines

    def _fit(self) -> list[str]:
        needs: dict[str, int] = {mode: self.cost.training_bytes(mode) for mode in MODES}
        said = ", ".join(f"{mode} {bytes_ / GIB:.2f}" for mode, bytes_ in needs.items())
        lines = [f"In all, with weights, Adam and frames (GiB): {said}."]
        if self.available is None:
            return [*lines, f"How much memory {self.device} has is not known."]
        free = f"{self.device} has {self.available / GIB:.1f} GiB for it"
        if needs[self.memory] <= self.available:
            return [*lines, f"{free}: this run fits with memory {self.memory}."]
        return [
            *lines,
            f"{free}: this run does not fit with memory {self.memory}.",
            "What would help, as options of msrnn train:",
            *(f"- {way}" for way in ways_to_fit(self.cost, self.available)),
        ]

    def _receptive_fields(self) -> list[str]:
        lags = [lag for lag in LAGS if lag < len(self.fields[0])]
        lines = ["Receptive field in pixels, by layer and by the age of the frame in steps"]
        lines.append(f"{'':14}" + "".join(f"{name:>{8 * len(lags)}}" for name in self.names))
        lines.append(f"{'age':14}" + "".join(f"{lag:8}" for lag in lags) * 2)
        layers = max(field.shape[1] for field in self.fields)
        for layer in range(layers):
            cells = ""
            for field in self.fields:
                for lag in lags:
                    width = field[lag, layer] if layer < field.shape[1] else ""
                    cells += f"{'all' if self._covers(width) else width:>8}"
            lines.append(f"{f'layer {layer}':14}{cells}")
        lines += ["", f"{'Effective receptive field':32}" + "".join(f"{name:>16}" for name in self.names)]
        for share in SHARES:
            edges = self._cells(partial(_edge, share=share))
            lines.append(f"{f'edge that holds {share:.0%}, pixels':32}{edges}")
        lines.append(f"{'share of the newest frame':32}" + self._cells(lambda influence: f"{influence[-1].sum():.0%}"))
        return lines

    def _covers(self, width: Any) -> bool:
        """Whether a field of that width holds every frame as a whole, wherever its centre is."""
        return bool(width != "" and (width == WHOLE or width >= 2 * max(self.cost.workload.size) - 1))

    def _cells(self, say: Callable[[NDArray[np.float64]], object]) -> str:
        return "".join(f"{'' if influence is None else say(influence):>16}" for influence in self.influences)

    def figure(self) -> Figure:
        """Costs by layer, memory by mode and receptive fields, plain and pyramid side by side."""
        with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
            figure = Figure(figsize=(10, 7.2), layout="constrained")
            height, width = self.cost.workload.size
            work = self.cost.workload
            figure.suptitle(
                f"{self.names[0]}: {height}x{width}, {work.context} \N{RIGHTWARDS ARROW} {work.horizon} frames"
            )
            panels = figure.subplots(2, 2)
            self._draw_layers(panels[0, 0])
            self._draw_memory(panels[0, 1])
            self._draw_fields(panels[1, 0])
            self._draw_influence(panels[1, 1])
        return figure

    def _colours(self) -> tuple[str, str]:
        return COLOURS if MODELS[self.names[0]].scales == PLAIN else (COLOURS[1], COLOURS[0])

    def _draw_layers(self, axes: Axes) -> None:
        for number, (name, cost, colour) in enumerate(zip(self.names, self.costs, self._colours(), strict=True)):
            layers = [part for part in cost.parts if part.name.startswith("layer")]
            places = np.arange(len(layers)) + 0.4 * (number - 0.5)
            axes.bar(places, [part.activations / 2**20 for part in layers], 0.38, color=colour, label=name)
        axes.set(xlabel="layer", ylabel="MiB", title="Kept activations of one time step")
        axes.legend(frameon=False)

    def _draw_memory(self, axes: Axes) -> None:
        for number, (cost, colour) in enumerate(zip(self.costs, self._colours(), strict=True)):
            places = np.arange(len(MODES)) + 0.4 * (number - 0.5)
            axes.bar(places, [cost.peak(mode) / GIB for mode in MODES], 0.38, color=colour, alpha=0.45)
            axes.bar(places, [cost.saved(mode) / GIB for mode in MODES], 0.38, color=colour)
        if self.available is not None and self.available < 1.5 * max(c.peak("keep") for c in self.costs):
            axes.axhline(self.available / GIB, color="#d0485a", linewidth=1)
            axes.annotate(f"free on {self.device}", (len(MODES) - 0.5, self.available / GIB), ha="right", va="bottom")
        axes.set_xticks(range(len(MODES)), MODES)
        axes.set(xlabel="memory mode", ylabel="GiB", title="Saved (full) and peak (pale) memory of training")

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
        axes.axhline(whole, color="#d0485a", linewidth=0.8)
        axes.annotate("the whole frame, wherever the centre is", (0, whole), fontsize=8, va="bottom")
        axes.set(xlabel="layer", ylabel="pixels", title="Theoretical receptive field", yscale="log")
        axes.legend(frameon=False, fontsize=8)

    def _draw_influence(self, axes: Axes) -> None:
        axes.set_title("Effective receptive field of the next frame")
        axes.set_axis_off()
        for number, (name, influence) in enumerate(zip(self.names, self.influences, strict=True)):
            if influence is None:
                continue
            picture = influence.sum(axis=0)
            inset = axes.inset_axes((0.52 * number, 0.05, 0.47, 0.85))
            inset.imshow(np.log10(picture / picture.max() + 1e-6), cmap="magma", vmin=-5, vmax=0)
            inset.set_xticks([])
            inset.set_yticks([])
            inset.set_xlabel(f"{name}: {SHARES[-1]:.0%} within {_edge(influence, SHARES[-1])} pixels")


def _edge(influence: NDArray[np.float64], share: float) -> int:
    return width_of_share(influence.sum(axis=0), share)


LAGS = (0, 1, 4, 9)
"""Ages of frames, in steps, whose receptive fields are shown."""
