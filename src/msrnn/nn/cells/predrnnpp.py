import torch
from torch import Tensor

from msrnn.nn.cells.base import Cell, Place, State, Step, lstm_update, mix
from msrnn.nn.ops.convolution import convolve


class PredRNNpp(Cell):
    """Causal LSTM: m is updated after c, and from it (Wang et al. 2018, https://arxiv.org/abs/1804.06300).

    The second layer is a `HighwayPredRNNpp`.

    Differs from the released code: only the second layer has the weights of a gradient highway. In the released code
    every layer has them, and those of the other layers never get a gradient.
    """

    states = 2
    climbs = True

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__(channels, kernel_size)
        self.conv_x_h_c = self.conv(3, 3)
        self.conv_x_c_m = self.conv(3, 3)
        self.conv_m = self.conv(1, 1, kernel_size=1)
        self.conv_o = self.conv(3, 1)
        self.conv_c_m = self.conv(2, 1, kernel_size=1)

    @classmethod
    def at(cls, place: Place) -> type[Cell]:
        return HighwayPredRNNpp if place.layer == 1 else cls

    def forward(self, x: Tensor, state: State, m: Tensor) -> Step:
        h, c = state
        i, f, g = convolve((self.conv_x_h_c, x, h, c)).chunk(3, dim=1)
        c = lstm_update(i, f, g, c)
        i, f, g = convolve((self.conv_x_c_m, x, c, m)).chunk(3, dim=1)
        m = lstm_update(i, f, g, torch.tanh(self.conv_m(m)).to(m.dtype))
        o = torch.tanh(convolve((self.conv_o, x, c, m)))
        h = o * torch.tanh(convolve((self.conv_c_m, c, m)))
        return Step(h, (h, c), m)


class HighwayPredRNNpp(PredRNNpp):
    """Second layer of PredRNN++: its input passes a gradient highway unit, whose state is z."""

    states = 3

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__(channels, kernel_size)
        self.conv_x = self.conv(1, 2)
        self.conv_z = self.conv(1, 2)

    def forward(self, x: Tensor, state: State, m: Tensor) -> Step:
        h, c, z = state
        p, s = convolve((self.conv_x, x), (self.conv_z, z)).chunk(2, dim=1)
        z = mix(torch.sigmoid(s), torch.tanh(p), z)
        step = super().forward(z, (h, c), m)
        return step._replace(state=(*step.state, z))
