from typing import NamedTuple

import torch
from torch import Tensor

from msrnn.nn.cells.base import Cell, State, Step, gated_input
from msrnn.nn.ops.convolution import convolve


class Inner(NamedTuple):
    """Inner quantities of a step: its output gate and the gated inputs of c and m."""

    o: Tensor
    delta_c: Tensor
    delta_m: Tensor


class STLSTM(Cell):
    """Weights and equations of the ST-LSTM: an LSTM with a second, spatiotemporal memory m.

    PredRNN and its relatives build on it.

    Wang et al. 2017, "PredRNN: Recurrent Neural Networks for Predictive Learning using Spatiotemporal LSTMs",
    https://papers.neurips.cc/paper/2017/hash/e5f6ad6ce374177eef023bf5d0c018b6-Abstract.html.
    """

    states = 2
    climbs = True
    gates = 4

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__(channels, kernel_size)
        self.conv_x2h = self.conv(1, self.gates)
        self.conv_h2h = self.conv(1, self.gates)
        self.conv_x2h_m = self.conv(1, 3)
        self.conv_m2h_m = self.conv(1, 3)
        self.conv_c2o = self.conv(1, 1)
        self.conv_m2o = self.conv(1, 1)
        self.conv_c_m = self.conv(2, 1, kernel_size=1)

    def st_lstm(self, x: Tensor, state: State, m: Tensor) -> tuple[Step, Inner]:
        """Compute one time step; return its result and its inner quantities."""
        h, c = state
        i, f, g, o = convolve((self.conv_x2h, x), (self.conv_h2h, h)).chunk(4, dim=1)
        delta_c = gated_input(i, g)
        c = torch.sigmoid(f) * c + delta_c
        m, delta_m = self.climb(x, m)
        h, o = self.output(o, c, m)
        return Step(h, (h, c), m), Inner(o, delta_c, delta_m)

    def climb(self, x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next m and its gated input."""
        i, f, g = convolve((self.conv_x2h_m, x), (self.conv_m2h_m, m)).chunk(3, dim=1)
        delta_m = gated_input(i, g)
        return torch.sigmoid(f) * m + delta_m, delta_m

    def output(self, o: Tensor, c: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """Return the hidden state and the output gate."""
        o = torch.sigmoid(o + convolve((self.conv_c2o, c), (self.conv_m2o, m)))
        return o * torch.tanh(convolve((self.conv_c_m, c, m))), o


class PredRNN(STLSTM):
    """ST-LSTM whose spatiotemporal memory m climbs the layers (Wang et al. 2017, see `STLSTM`)."""

    def forward(self, x: Tensor, state: State, m: Tensor) -> Step:
        step, _ = self.st_lstm(x, state, m)
        return step
