import torch
from torch import Tensor

from msrnn.nn.cells.base import Cell, State, Step, lstm_update
from msrnn.nn.ops.convolution import convolve


class ConvLSTM(Cell):
    """LSTM whose gates are convolutions (Shi et al. 2015, https://arxiv.org/abs/1506.04214, eq. 3; no peepholes)."""

    states = 2

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__(channels, kernel_size)
        self.conv_x2h = self.conv(1, 4)
        self.conv_h2h = self.conv(1, 4)

    def forward(self, x: Tensor, state: State) -> Step:
        h, c = state
        i, f, g, o = convolve((self.conv_x2h, x), (self.conv_h2h, h)).chunk(4, dim=1)
        c = lstm_update(i, f, g, c)
        h = torch.sigmoid(o) * torch.tanh(c)
        return Step(h, (h, c))
