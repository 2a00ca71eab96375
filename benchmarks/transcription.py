"""The cell equations written down one convolution at a time, for comparison: what msrnn has to be faster than.

`transcribe(model)` makes a model with the same weights whose cells compute every term of an equation by itself, in the
paper's order, in eager mode; `unused=True` also computes the branches that feed nothing, as the released code does:
PredRNN++'s highway in every layer, MIM's modules in layer 0 and its forget gate, MotionRNN's unit in the last layer.
"""

import copy
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from msrnn.nn.cells.base import Step
from msrnn.nn.cells.convlstm import ConvLSTM
from msrnn.nn.cells.mim import MIM
from msrnn.nn.cells.motionrnn import BottomMotionRNN, MotionGRU, MotionRNN
from msrnn.nn.cells.predrnn import PredRNN
from msrnn.nn.cells.predrnn_v2 import PredRNNV2
from msrnn.nn.cells.predrnnpp import HighwayPredRNNpp, PredRNNpp
from msrnn.nn.cells.trajgru import TrajGRU
from msrnn.nn.forecaster import Forecaster

sigmoid, tanh = torch.sigmoid, torch.tanh


def convlstm(cell: Any, x: Tensor, state: Any) -> Any:
    h, c = state
    i, f, g, o = (cell.conv_x2h(x) + cell.conv_h2h(h)).chunk(4, dim=1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return Step(h, (h, c))


def warp_one(x: Tensor, flow: Tensor) -> Tensor:
    """x at p + flow(p)."""
    _, _, height, width = x.shape
    column = torch.arange(width, dtype=x.dtype, device=x.device)
    row = torch.arange(height, dtype=x.dtype, device=x.device).unsqueeze(1)
    u, v = flow.unbind(dim=1)
    grid = torch.stack(((2 * (column + u) + 1) / width - 1, (2 * (row + v) + 1) / height - 1), dim=-1)
    return functional.grid_sample(x, grid.to(x.dtype), align_corners=False)


def trajgru(cell: Any, x: Tensor, state: Any) -> Any:
    (h,) = state
    flows = cell.conv_flow(functional.leaky_relu(cell.conv_x2f(x) + cell.conv_h2f(h), 0.2))
    copies = [warp_one(h, -flow) for flow in flows.split(2, dim=1)]
    # our weights read each channel's copies side by side
    z_h, r_h, n_h = cell.project(torch.stack(copies, dim=2).flatten(1, 2)).chunk(3, dim=1)
    z_x, r_x, n_x = cell.conv_x2h(x).chunk(3, dim=1)
    z, r = sigmoid(z_x + z_h), sigmoid(r_x + r_h)
    n = functional.leaky_relu(n_x + r * n_h, 0.2)
    h = (1 - z) * n + z * h
    return Step(h, (h,))


def climb(cell: Any, x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    i, f, g = (cell.conv_x2h_m(x) + cell.conv_m2h_m(m)).chunk(3, dim=1)
    delta = sigmoid(i) * tanh(g)
    return sigmoid(f) * m + delta, delta


def output(cell: Any, o: Tensor, c: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    o = sigmoid(o + cell.conv_c2o(c) + cell.conv_m2o(m))
    return o * tanh(cell.conv_c_m(torch.cat((c, m), dim=1))), o


def st_lstm(cell: Any, x: Tensor, state: Any, m: Tensor) -> Any:
    h, c = state
    i, f, g, o = (cell.conv_x2h(x) + cell.conv_h2h(h)).chunk(4, dim=1)
    delta_c = sigmoid(i) * tanh(g)
    c = sigmoid(f) * c + delta_c
    m, delta_m = climb(cell, x, m)
    h, o = output(cell, o, c, m)
    return h, (h, c), m, o, delta_c, delta_m


def predrnn(cell: Any, x: Tensor, state: Any, m: Tensor) -> Any:
    if cell.idle is not None:
        memory_in_memory(cell.idle, x, torch.zeros_like(x), state[1], torch.zeros_like(x), torch.zeros_like(x))
    h, state, m, *_ = st_lstm(cell, x, state, m)
    return Step(h, state, m)


def predrnn_v2(cell: Any, x: Tensor, state: Any, m: Tensor, shared: Any) -> Any:
    h, state, m, _, delta_c, delta_m = st_lstm(cell, x, state, m)
    a, b = (functional.normalize(shared(delta).flatten(2), dim=2) for delta in (delta_c, delta_m))
    return Step(h, state, m, cell.decoupling_weight * (a * b).sum(dim=2).abs().sum(dim=1).mean())


def predrnnpp(cell: Any, x: Tensor, state: Any, m: Tensor) -> Any:
    if cell.idle is not None:
        highway(cell.idle, x, torch.zeros_like(x))
    h, c = state
    i, f, g = cell.conv_x_h_c(torch.cat((x, h, c), dim=1)).chunk(3, dim=1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    i, f, g = cell.conv_x_c_m(torch.cat((x, c, m), dim=1)).chunk(3, dim=1)
    m = sigmoid(f) * tanh(cell.conv_m(m)) + sigmoid(i) * tanh(g)
    o = tanh(cell.conv_o(torch.cat((x, c, m), dim=1)))
    h = o * tanh(cell.conv_c_m(torch.cat((c, m), dim=1)))
    return Step(h, (h, c), m)


def highway(cell: Any, x: Tensor, z: Tensor) -> Tensor:
    p, s = (cell.conv_x(x) + cell.conv_z(z)).chunk(2, dim=1)
    return sigmoid(s) * tanh(p) + (1 - sigmoid(s)) * z


def highway_predrnnpp(cell: Any, x: Tensor, state: Any, m: Tensor) -> Any:
    h, c, z = state
    z = highway(cell, x, z)
    step = predrnnpp(cell, z, (h, c), m)
    return step._replace(state=(*step.state, z))


def memory_in_memory(cell: Any, x: Tensor, previous: Tensor, c: Tensor, n: Tensor, s: Tensor) -> Any:
    d = x - previous
    i, f, g = (cell.conv_x2h_n(d) + cell.conv_n2h_n(n)).chunk(3, dim=1)
    n = sigmoid(f) * n + sigmoid(i) * tanh(g)
    detrended = sigmoid(cell.conv_diff2o(d) + cell.conv_n2o(n)) * tanh(n)
    i, f, g, o = (cell.conv_x2h_s(detrended) + cell.conv_c2h_s(c)).chunk(4, dim=1)
    s = sigmoid(f) * s + sigmoid(i) * tanh(g)
    return sigmoid(o + cell.conv_s2o(s)) * tanh(s), n, s


def mim_step(cell: Any, x: Tensor, state: Any, m: Tensor, previous: Tensor) -> Any:
    h, c, n, s = state
    trend, n, s = memory_in_memory(cell, x, previous, c, n, s)
    i, g, o = (cell.conv_x2h(x) + cell.conv_h2h(h)).chunk(3, dim=1)
    if cell.idle is not None:
        cell.idle.conv_diff2o(x) + cell.idle.conv_n2o(h)  # the forget gate: one more of each convolution
    c = trend + sigmoid(i) * tanh(g)
    m, _ = climb(cell, x, m)
    h, o = output(cell, o, c, m)
    return h, (h, c, n, s), m, o


def mim(cell: Any, x: Tensor, state: Any, m: Tensor, previous: Tensor) -> Any:
    h, state, m, _ = mim_step(cell, x, state, m, previous)
    if cell.idle_motion is not None:
        half = h.new_zeros(len(h), 2 * MotionGRU.taps, h.shape[2] // 2, h.shape[3] // 2)
        motion(cell.idle_motion, h, half, half)
    return Step(h, state, m)


def motion(cell: Any, h: Tensor, f: Tensor, d: Tensor) -> Any:
    e = cell.conv_enc(h)
    u = sigmoid(cell.conv_u(torch.cat((e, f), dim=1)))
    r = sigmoid(cell.conv_r(torch.cat((e, f), dim=1)))
    q = tanh(cell.conv_z(torch.cat((e, r * f), dim=1)))
    d = d + 0.5 * (f - d)
    f = u * q + (1 - u) * f + d
    mask = sigmoid(cell.conv_hm(e))
    copies = [mask[:, j : j + 1] * warp_one(e, f[:, 2 * j : 2 * j + 2]) for j in range(cell.taps)]
    decoded = cell.deconv_dec(cell.conv_dec(torch.stack(copies, dim=2).flatten(1, 2)))
    g = sigmoid(cell.conv_g(torch.cat((decoded, h), dim=1)))
    return g * h + (1 - g) * decoded, f, d


def motionrnn(cell: Any, x: Tensor, state: Any, m: Tensor, previous: Tensor | None = None) -> Any:
    *own, f, d = state
    if previous is not None:
        h, (_, *rest), m, o = mim_step(cell, x, tuple(own), m, previous)
    else:
        if cell.idle is not None:
            memory_in_memory(cell.idle, x, torch.zeros_like(x), own[1], torch.zeros_like(x), torch.zeros_like(x))
        h, (_, *rest), m, o, *_ = st_lstm(cell, x, tuple(own), m)
    moved, f, d = motion(cell.motion, h, f, d)
    h = moved + (1 - o) * x
    return Step(h, (h, *rest, f, d), m)


TRANSCRIPTIONS: dict[type, Any] = {
    ConvLSTM: convlstm,
    TrajGRU: trajgru,
    PredRNN: predrnn,
    PredRNNV2: predrnn_v2,
    PredRNNpp: predrnnpp,
    HighwayPredRNNpp: highway_predrnnpp,
    MIM: mim,
    BottomMotionRNN: motionrnn,
    MotionRNN: motionrnn,
}
"""By the class of the cell."""


def computes_unused(model: Forecaster) -> bool:
    """Whether the released code computes branches of this model that feed nothing."""
    return any(isinstance(cell, PredRNNpp | MIM | BottomMotionRNN) for cell in model.pyramid.cells)


def transcribe(model: Forecaster, unused: bool = False) -> Forecaster:
    """The same model, weights included, computed term by term."""
    model = copy.deepcopy(model)
    cells: list[Any] = list(model.pyramid.cells)
    motion_unit = any(isinstance(cell, BottomMotionRNN) for cell in cells)
    for cell in cells:
        extra: nn.Module | None = None
        if unused and type(cell) is PredRNNpp:
            extra = HighwayPredRNNpp(cell.channels)
        elif unused and (isinstance(cell, MIM) or any(isinstance(other, MIM) for other in cells)):
            extra = MIM(cell.channels)
        cell.idle = extra
        cell.idle_motion = MotionGRU(cell.channels) if unused and motion_unit and cell is cells[-1] else None
        cell.forward = MethodType(TRANSCRIPTIONS[type(cell)], cell)
    return model.to(model.embed.weight.device, model.embed.weight.dtype)
