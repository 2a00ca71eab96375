import torch
from torch import Tensor, nn
from torch.nn import functional

from msrnn.nn.cells.base import State, Step, mix, mogrify
from msrnn.nn.cells.convlstm import ConvLSTM
from msrnn.nn.ops.convolution import convolve

BLOCKS = 1, 2, 4
"""Blocks along each edge of the frame, one number for each of the three attentions."""


class CMSLSTM(ConvLSTM):
    """ConvLSTM between context embedding and multi-scale attention.

    Chai et al. 2022, "CMS-LSTM: Context Embedding and Multi-Scale Spatiotemporal Expression LSTM for Predictive
    Learning", https://arxiv.org/abs/2102.03586. Before it, input and state gate each other; after it, hidden and cell
    state attend to each other, in blocks of the whole, half and a quarter of the frame's edges.
    """

    multiple = max(BLOCKS)

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__(channels, kernel_size)
        self.conv_q = self.conv(1, 1)
        self.conv_r = self.conv(1, 1)
        self.attentions = nn.ModuleList(_BlockAttention(channels, blocks) for blocks in BLOCKS)
        self.conv_attended = self.conv(len(BLOCKS), 1)
        self.conv_z = self.conv(2, 1, kernel_size=1)
        self.conv_h2igo = self.conv(1, 3)
        self.conv_z2igo = self.conv(1, 3)

    def forward(self, x: Tensor, state: State) -> Step:
        h, c = state
        x, h = mogrify(x, h, self.conv_q, self.conv_r)
        _, (h, c), *_ = super().forward(x, (h, c))
        y = torch.cat([h, c], dim=3)
        attended = convolve((self.conv_attended, *(attention(y) for attention in self.attentions)))
        z = convolve((self.conv_z, *attended.chunk(2, dim=3)))
        i, g, o = convolve((self.conv_h2igo, h), (self.conv_z2igo, z)).chunk(3, dim=1)
        c = mix(torch.sigmoid(i), torch.tanh(g), c)
        h = torch.sigmoid(o) * c
        return Step(h, (h, c))


class _BlockAttention(nn.Module):
    """Attention of each pixel of y to all pixels of its block, added to y. Logits are not scaled, and never held.

    y is two planes side by side, (batch, channel, y, 2 x); a block holds the same part of both.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.conv_query = nn.Conv2d(channels, channels, 1)
        self.conv_key = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv_value = nn.Conv2d(channels, channels, 1)

    def forward(self, y: Tensor) -> Tensor:
        batch, channels, height, width = y.shape
        n = self.blocks
        cut = batch, channels, n, height // n, 2, n, width // (2 * n)
        convs = self.conv_query, self.conv_key, self.conv_value
        query, key, value = (
            conv(y).reshape(cut).permute(0, 2, 5, 3, 4, 6, 1).reshape(batch, n * n, -1, channels).contiguous()
            for conv in convs
        )  # contiguous: else torch holds the logits
        attended = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        placed = attended.reshape(batch, n, n, *cut[3:5], cut[6], channels).permute(0, 6, 1, 3, 4, 2, 5)
        return placed.reshape(y.shape) + y
