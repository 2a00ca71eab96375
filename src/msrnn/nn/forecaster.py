"""The forecaster: embed -> pyramid -> head, from frames to frames, rolled out over time."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._pytree import tree_map_only

from msrnn.nn import recompute
from msrnn.nn.cells.base import Cell
from msrnn.nn.ops.convolution import compute_dtype
from msrnn.nn.pyramid import Pyramid, PyramidState
from msrnn.settings import Patch

PATCHES: tuple[int, ...] = get_args(Patch)
"""Possible edges of a patch, in pixels."""
Carry = tuple[Tensor | None, Tensor | None, PyramidState | None]
"""Last output of the model, the other channels that it keeps, and its state."""
Advance = tuple[Carry, tuple[Tensor, Tensor]]  # named here: torch.compile cannot follow a subscript inside a function


class Forecaster(nn.Module):
    """Recurrent network that predicts the next frame from a frame and a state (MS-RNN, arXiv 2206.03010).

    `create_model` builds it and explains its settings.

    Frames are (batch, channel, y, x), sequences (batch, time, channel, y, x), floating point, in [0, 1]. Height
    and width are free: every step pads a frame that does not fit the pyramid, by repeating the last row and column, and
    crops its output.

    With a `patch` of P, the pyramid works on patches of P x P pixels: `embed` reads the pixels of a patch as channels
    (space to depth), and `head` predicts all pixels of a patch at once (depth to space).

    With fewer output than input channels, outputs are the first `out_channels` inputs; after the context
    the other channels keep their last value.
    """

    def __init__(
        self,
        cell: type[Cell],
        *,
        in_channels: int,
        out_channels: int,
        hidden_channels: int,
        kernel_size: int,
        scales: Sequence[int],
        skips: str,
        memory: str,
        half_state: bool = True,
        patch: int = 1,
        **cell_options: Any,
    ) -> None:
        super().__init__()
        for what, value in (
            ("in_channels", in_channels),
            ("out_channels", out_channels),
            ("hidden_channels", hidden_channels),
            ("kernel_size", kernel_size),
            ("patch", patch),
        ):
            if not isinstance(value, int):
                raise ValueError(f"{what} must be a whole number, got {value!r}")
        if min(in_channels, out_channels, hidden_channels) < 1:
            raise ValueError(
                "channels must be at least 1, got "
                f"in_channels={in_channels}, out_channels={out_channels}, hidden_channels={hidden_channels}"
            )
        if out_channels > in_channels:
            raise ValueError(
                f"out_channels={out_channels} must not exceed in_channels={in_channels}: "
                "the model's own output is its next input"
            )
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, got {kernel_size}")
        if patch not in PATCHES:
            raise ValueError(f"patch must be one of {', '.join(map(str, PATCHES))}, got {patch}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.patch = patch
        """Edge of a patch in pixels."""
        self.embed = nn.Conv2d(in_channels * patch**2, hidden_channels, 1)
        self.pyramid = Pyramid(cell, hidden_channels, kernel_size, scales, skips, **cell_options)
        self.head = nn.Conv2d(hidden_channels, out_channels * patch**2, 1)
        self.memory = memory
        self.half_state = half_state
        """True to carry states in autocast's lower precision, False to carry them as precisely as the weights."""
        self._compiled: Callable[[Tensor, PyramidState], tuple[Tensor, PyramidState, Tensor]] | None = None

    @property
    def memory(self) -> str:
        """Memory mode of training: "keep" all activations, or the state of each "step", or of about "sqrt"(T) steps.

        Setting another name raises a ValueError.
        """
        return self._memory

    @memory.setter
    def memory(self, mode: str) -> None:
        if mode not in recompute.MODES:
            raise ValueError(f"no memory mode {mode!r}; choose from {', '.join(recompute.MODES)}")
        self._memory = mode

    @property
    def multiple(self) -> int:
        """Divisor in pixels of the heights and widths that need no padding."""
        return self.patch * self.pyramid.multiple

    def compile(self, *arguments: Any, **options: Any) -> None:
        """Compile the time step in place; arguments are those of `torch.compile`."""
        self._compiled = torch.compile(self._time_step, *arguments, **options)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[no-untyped-call]
        return state | {"_compiled": None}  # as in torch: a copy is not compiled

    def forward(self, frames: Tensor, context: int, truth_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Predict each frame from those before it.

        Args:
            frames: (batch, T, in_channels, y, x).
            context: number of frames fed; after them the model is fed its own output.
            truth_mask: (batch, T - 1) bool; if given, it alone selects the frames that are fed, in the context too
                (column 0 counts as True). Other frames are never read.

        Returns:
            Predictions (batch, T - 1, out_channels, y, x), of which entry t predicts frame t + 1; and the auxiliary
            loss, a scalar with its weight included, zero for models without one.

        Raises:
            ValueError: shapes or `context` do not fit.
        """
        self._check(frames, "frames", "(batch, time, channel, y, x)")
        batch, length = frames.shape[:2]
        if not 1 <= context < length:
            raise ValueError(f"context must be at least 1 and less than the {length} frames given, got {context}")
        if truth_mask is not None and (truth_mask.shape != (batch, length - 1) or truth_mask.dtype != torch.bool):
            raise ValueError(
                f"truth_mask must be bool of shape (batch, time - 1) = {(batch, length - 1)}, "
                f"got {truth_mask.dtype} of shape {tuple(truth_mask.shape)}"
            )
        predictions, auxiliary = self._roll_out(frames, context, length - 1, truth_mask)
        return torch.stack(predictions, dim=1), torch.stack(auxiliary).mean()

    def forecast(self, frames: Tensor, horizon: int) -> Tensor:
        """Predict the next `horizon` frames, without gradients.

        Args:
            frames: (batch, T, in_channels, y, x), the context.
            horizon: number of frames to predict.

        Returns:
            (batch, horizon, out_channels, y, x).

        Raises:
            ValueError: shapes or `horizon` do not fit.
        """
        return torch.stack(list(self.leads(frames, horizon)), dim=1)

    def leads(self, frames: Tensor, horizon: int) -> Iterator[Tensor]:
        """Predict the next `horizon` frames one by one, without gradients; memory does not grow with the horizon.

        Do not change a frame in place: it is the next input.

        Args:
            frames: (batch, T, in_channels, y, x), the context.
            horizon: number of frames to predict.

        Returns:
            An iterator over frames (batch, out_channels, y, x).

        Raises:
            ValueError: shapes or `horizon` do not fit.
        """
        self._check(frames, "frames", "(batch, time, channel, y, x)")
        check_horizon(horizon)
        return self._leads(frames, horizon)

    def step(self, frame: Tensor, state: PyramidState | None = None) -> tuple[Tensor, PyramidState]:
        """Predict the next frame from one frame and the state.

        Feeding frames one by one, then each output, equals `forecast`. A step is differentiable as `forward` is:
        without `torch.no_grad()` the state holds the activations of all earlier steps.

        Args:
            frame: (batch, in_channels, y, x).
            state: the state that the last step returned; None before the first frame.

        Returns:
            The next frame, (batch, out_channels, y, x), and the next state.

        Raises:
            ValueError: shapes do not fit, or `state` is another model's or comes from frames of another (padded) shape.
        """
        self._check(frame, "frame", "(batch, channel, y, x)")
        if state is not None:
            expected = self._initial_state(frame, device="meta")
            if _shapes(state) != _shapes(expected):
                raise ValueError(
                    f"state is not of this model and frames of shape {tuple(frame.shape)}; start again with state=None"
                )
        next_frame, state, _ = self._advance(frame, state)
        return next_frame, state

    @torch.no_grad()
    def _leads(self, frames: Tensor, horizon: int) -> Iterator[Tensor]:
        self._begin(frames)
        state = None
        for t in range(frames.shape[1]):
            own, state, _ = self._advance(frames[:, t], state)
        yield own
        held = frames[:, -1, self.out_channels :]
        for _ in range(horizon - 1):
            own, state, _ = self._advance(torch.cat((own, held), dim=1), state)
            yield own

    def _begin(self, frames: Tensor) -> None:
        """Allow outputs of earlier roll-outs to be overwritten by CUDA graphs."""
        if self._compiled and frames.is_cuda:
            torch.compiler.cudagraph_mark_step_begin()

    def _roll_out(
        self, frames: Tensor, context: int, steps: int, truth_mask: Tensor | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the predictions and the auxiliary terms of `steps` steps."""
        outputs = self.out_channels

        def body(carry: Carry, t: int) -> Advance:
            own, held, state = carry
            if own is None or (truth_mask is None and t < context):
                frame = frames[:, t]
            elif truth_mask is None:
                frame = own if held is None else torch.cat((own, held), dim=1)
            else:
                fed = truth_mask[:, t, None, None, None]
                frame = torch.where(fed, frames[:, t, :outputs], own)
                if held is not None:
                    others = torch.where(fed, frames[:, t, outputs:], held) if t < context else held
                    frame = torch.cat((frame, others), dim=1)
            if self.in_channels > outputs:
                held = frame[:, outputs:]
            own, state, auxiliary = self._advance(frame, state)
            return (own, held, state), (own, auxiliary)

        self._begin(frames)
        start: Carry = (None, None, None)
        results = recompute.scan(body, start, steps, self.memory)
        return [own for own, _ in results], [auxiliary for _, auxiliary in results]

    def _advance(self, frame: Tensor, state: PyramidState | None) -> tuple[Tensor, PyramidState, Tensor]:
        """Return the next frame, the next state and the auxiliary term."""
        if state is None:
            # Gates of lower precision leave the precision of the state as it is.
            weight = self.embed.weight
            dtype = compute_dtype(weight) if self.half_state else weight.dtype
            state = self._initial_state(frame, dtype=dtype, device=frame.device)
            if self._compiled:
                state = tree_map_only(Tensor, _copy_as_activation, state)
        if self._compiled:  # compiled once for all steps, if the first one's inputs look like the others'
            return self._compiled(_copy_as_activation(frame), state)
        return self._time_step(frame, state)

    def _time_step(self, frame: Tensor, state: PyramidState) -> tuple[Tensor, PyramidState, Tensor]:
        height, width = frame.shape[-2:]
        patches = self._pad(frame)
        if self.patch > 1:
            patches = functional.pixel_unshuffle(patches, self.patch)
        x = self.embed(patches).contiguous(memory_format=_memory_format(frame))
        x, state, auxiliary = self.pyramid(x, state)
        next_frame = self.head(x)
        if self.patch > 1:
            next_frame = functional.pixel_shuffle(next_frame, self.patch)
        return next_frame[..., :height, :width].to(frame.dtype), state, auxiliary

    def _pad(self, frame: Tensor) -> Tensor:
        """Pad a frame at its bottom and right to whole patches that the pyramid can halve."""
        height, width = self._padded(frame)
        bottom, right = height - frame.shape[-2], width - frame.shape[-1]
        return functional.pad(frame, (0, right, 0, bottom), mode="replicate") if bottom or right else frame

    def _padded(self, frame: Tensor) -> tuple[int, int]:
        """Return the height and width of a frame after padding."""
        height, width = frame.shape[-2:]
        return height + -height % self.multiple, width + -width % self.multiple

    def _initial_state(self, frame: Tensor, **options: Any) -> PyramidState:
        """Return the zero state before `frame`; `options` are dtype and device."""
        height, width = self._padded(frame)
        return self.pyramid.initial_state(len(frame), height // self.patch, width // self.patch, **options)

    def _check(self, frames: Tensor, name: str, axes: str) -> None:
        if not isinstance(frames, Tensor):
            raise ValueError(f"{name} must be a torch.Tensor {axes}, got {type(frames).__name__}")
        if frames.ndim != axes.count(",") + 1:
            raise ValueError(f"{name} must be {axes}, got shape {tuple(frames.shape)}")
        if frames.shape[-3] != self.in_channels:
            raise ValueError(
                f"{name} has {frames.shape[-3]} channels, the model wants {self.in_channels}: "
                f"got shape {tuple(frames.shape)}, axes are {axes}"
            )
        if 0 in frames.shape:
            raise ValueError(f"{name} is empty: shape {tuple(frames.shape)}, {axes}")
        if not frames.is_floating_point():
            raise ValueError(f"{name} must be floating point, in [0, 1], got {frames.dtype}")
        wanted = self.embed.weight.dtype
        if frames.dtype != wanted and not torch.is_autocast_enabled(frames.device.type):
            raise ValueError(f"{name} is {frames.dtype}, the model {wanted}: convert one with .to(dtype)")


def check_horizon(horizon: int) -> None:
    """Raise a ValueError unless so many frames can be predicted."""
    if not isinstance(horizon, int) or horizon < 1:
        raise ValueError(f"horizon must be a whole number of at least 1, got horizon {horizon!r}")


def _memory_format(x: Tensor) -> torch.memory_format:
    """Return the memory format in which convolutions are fastest."""
    return torch.channels_last if x.is_cuda else torch.contiguous_format


def _copy_as_activation(x: Tensor) -> Tensor:
    """Copy x with the memory format and requires_grad of later steps, so that the step compiles once."""
    return x.clone(memory_format=_memory_format(x)).requires_grad_(torch.is_grad_enabled())


def _shapes(state: PyramidState) -> list[list[torch.Size]]:
    m = () if state.m is None else (state.m,)
    return [[tensor.shape for tensor in layer] for layer in (*state.layers, m)]
