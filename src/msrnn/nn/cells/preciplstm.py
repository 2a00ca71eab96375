import torch
from torch import Tensor

from msrnn.nn.cells.base import Cell, State, Step, lstm_update
from msrnn.nn.ops.attention import local_attention
from msrnn.nn.ops.convolution import convolve


class PrecipLSTM(Cell):
    """ST-LSTM with local attention on its input and two more cell states: ms (meteorology in space) and mt (in time).

    Ma et al. 2022, "PrecipLSTM: A Meteorological Spatiotemporal LSTM for Precipitation Nowcasting", IEEE TGRS 60,
    https://doi.org/10.1109/TGRS.2022.3198222. `window` is the edge of the attention window in pixels at the cell's
    scale. The input of the previous step, from which mt takes the difference, is part of the state.
    """

    states = 5
    climbs = True

    def __init__(self, channels: int, kernel_size: int = 3, window: int = 30) -> None:
        super().__init__(channels, kernel_size)
        if window < 1:
            raise ValueError(f"window must be at least 1 pixel, got {window}")
        self.window = window
        self.conv_query = self.conv(1, 1, kernel_size=1, bias=False)
        self.conv_key = self.conv(1, 1, kernel_size=1, bias=False)
        self.conv_value = self.conv(1, 1, kernel_size=1, bias=False)
        self.conv_x_x_att = self.conv(1, 1)
        self.conv_x2h = self.conv(1, 4)
        self.conv_h2h = self.conv(1, 4)
        self.conv_x2h_m = self.conv(1, 3)
        self.conv_m2h_m = self.conv(1, 3)
        self.conv_x2h_ms = self.conv(1, 3)
        self.conv_ms2h_ms = self.conv(1, 3)
        self.conv_x2h_mt = self.conv(1, 3)
        self.conv_mt2h_mt = self.conv(1, 3)
        self.conv_c2o = self.conv(1, 1)
        self.conv_ms2o = self.conv(1, 1)
        self.conv_mt2o = self.conv(1, 1)
        self.conv_m2o = self.conv(1, 1)
        self.conv_c_m_ms_mt = self.conv(4, 1, kernel_size=1)

    def forward(self, x: Tensor, state: State, m: Tensor) -> Step:
        h, c, ms, mt, x_before = state
        attention = local_attention(self.conv_query(x), self.conv_key(x), self.conv_value(x), self.window)
        x_att = x + self.conv_x_x_att(attention)
        i, f, g, o = convolve((self.conv_x2h, x_att), (self.conv_h2h, h)).chunk(4, dim=1)
        c = lstm_update(i, f, g, c)
        i, f, g = convolve((self.conv_x2h_m, x_att), (self.conv_m2h_m, m)).chunk(3, dim=1)
        m = lstm_update(i, f, g, m)
        i, f, g = convolve((self.conv_x2h_ms, x_att), (self.conv_ms2h_ms, ms)).chunk(3, dim=1)
        ms = lstm_update(i, f, g, ms)
        i, f, g = convolve((self.conv_x2h_mt, x - x_before), (self.conv_mt2h_mt, mt)).chunk(3, dim=1)
        mt = lstm_update(i, f, g, mt)
        gates = ((self.conv_c2o, c), (self.conv_ms2o, ms), (self.conv_mt2o, mt), (self.conv_m2o, m))
        o = torch.sigmoid(o + convolve(*gates))
        h = o * torch.tanh(convolve((self.conv_c_m_ms_mt, c, ms, mt, m)))
        return Step(h, (h, c, ms, mt, x), m)
