import torch
from torch import Tensor

from msrnn.nn.cells.base import Cell, Place, State, Step, gated_input, lstm_update
from msrnn.nn.cells.predrnn import STLSTM, Inner, PredRNN
from msrnn.nn.ops.convolution import convolve


class MIM(STLSTM):
    """Memory in memory: an ST-LSTM with two recurrent modules in place of its forget gate.

    Wang et al. 2019, https://arxiv.org/abs/1811.07490. The non-stationary module (n) sees how the layer below changed
    since the last step; the stationary one (s) sees that and c. Layer 0 has no layer below and is an ST-LSTM.

    Differs from the released code: layer 0 has no weights for the modules it does not use, and the forget gate that the
    two modules replace is not computed.
    """

    states = 4
    previous = "below"
    gates = 3  # i, g, o: no forget gate

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__(channels, kernel_size)
        self.conv_x2h_n = self.conv(1, 3)
        self.conv_n2h_n = self.conv(1, 3)
        self.conv_diff2o = self.conv(1, 1)
        self.conv_n2o = self.conv(1, 1)
        self.conv_x2h_s = self.conv(1, 4)
        self.conv_c2h_s = self.conv(1, 4)
        self.conv_s2o = self.conv(1, 1)

    @classmethod
    def at(cls, place: Place) -> type[Cell]:
        return PredRNN if place.first else cls

    def forward(self, x: Tensor, state: State, m: Tensor, previous: Tensor) -> Step:
        step, _ = self.mim(x, state, m, previous)
        return step

    def mim(self, x: Tensor, state: State, m: Tensor, previous: Tensor) -> tuple[Step, Inner]:
        """Compute one time step; return its result and its inner quantities."""
        h, c, n, s = state
        detrended, n = self.non_stationary(x - previous, n)
        trend, s = self.stationary(detrended, c, s)
        i, g, o = convolve((self.conv_x2h, x), (self.conv_h2h, h)).chunk(3, dim=1)
        delta_c = gated_input(i, g)
        c = trend + delta_c
        m, delta_m = self.climb(x, m)
        h, o = self.output(o, c, m)
        return Step(h, (h, c, n, s), m), Inner(o, delta_c, delta_m)

    def non_stationary(self, difference: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g = convolve((self.conv_x2h_n, difference), (self.conv_n2h_n, n)).chunk(3, dim=1)
        n = lstm_update(i, f, g, n)
        return torch.sigmoid(convolve((self.conv_diff2o, difference), (self.conv_n2o, n))) * torch.tanh(n), n

    def stationary(self, detrended: Tensor, c: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = convolve((self.conv_x2h_s, detrended), (self.conv_c2h_s, c)).chunk(4, dim=1)
        s = lstm_update(i, f, g, s)
        return torch.sigmoid(o + self.conv_s2o(s)) * torch.tanh(s), s
