import torch
from torch import Tensor

from msrnn.nn.cells.base import Cell, State, Step, lstm_update
from msrnn.nn.ops.convolution import convolve


class MKLSTM(Cell):
    """Two ConvLSTMs with kernels of two sizes side by side (Ma et al. 2023, https://arxiv.org/abs/2304.07724).

    The kernels are `kernel_size` and `kernel_size` + 2; the output gate sees both cell states, the hidden state mixes
    them.
    """

    states = 3
    ms_name = "ms-lstm"

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__(channels, kernel_size)
        large = kernel_size + 2
        self.conv_x2h_small = self.conv(1, 4)
        self.conv_h2h_small = self.conv(1, 4)
        self.conv_x2h_large = self.conv(1, 4, kernel_size=large)
        self.conv_h2h_large = self.conv(1, 4, kernel_size=large)
        self.conv_c2o_small = self.conv(1, 1)
        self.conv_c2o_large = self.conv(1, 1, kernel_size=large)
        self.conv_out = self.conv(2, 1, kernel_size=1)

    def forward(self, x: Tensor, state: State) -> Step:
        h, c_small, c_large = state
        i, f, g, o_small = convolve((self.conv_x2h_small, x), (self.conv_h2h_small, h)).chunk(4, dim=1)
        c_small = lstm_update(i, f, g, c_small)
        i, f, g, o_large = convolve((self.conv_x2h_large, x), (self.conv_h2h_large, h)).chunk(4, dim=1)
        c_large = lstm_update(i, f, g, c_large)
        o = torch.sigmoid(o_small + o_large + self.conv_c2o_small(c_small) + self.conv_c2o_large(c_large))
        h = o * torch.tanh(convolve((self.conv_out, c_small, c_large)))
        return Step(h, (h, c_small, c_large))
