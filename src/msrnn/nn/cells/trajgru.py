import torch
from torch import Tensor, nn
from torch.nn import functional

from msrnn.nn.cells.base import Cell, State, Step, mix
from msrnn.nn.ops.convolution import convolve
from msrnn.nn.ops.warp import warp


class TrajGRU(Cell):
    """GRU that looks at its state along learnt trajectories (Shi et al. 2017, https://arxiv.org/abs/1706.03458).

    `links` flow fields are computed from x and h; the state is warped along each, and a 1x1 convolution mixes the
    copies.

    Differs from the released code: zero flow is the identity (the released warp normalises pixel positions by W - 1 but
    samples with `align_corners=False`), so forecasts with released weights differ from the released code's.
    """

    states = 1

    def __init__(self, channels: int, kernel_size: int = 3, links: int = 10) -> None:
        super().__init__(channels, kernel_size)
        if links < 1:
            raise ValueError(f"links must be at least 1, got {links}")
        self.conv_x2h = self.conv(1, 3)
        self.conv_x2f = self.conv(1, 1)
        self.conv_h2f = self.conv(1, 1)
        self.conv_flow = nn.Conv2d(channels, 2 * links, kernel_size, padding=kernel_size // 2)
        self.project = self.conv(links, 3, kernel_size=1)

    def forward(self, x: Tensor, state: State) -> Step:
        (h,) = state
        flows = self.conv_flow(functional.leaky_relu_(convolve((self.conv_x2f, x), (self.conv_h2f, h)), 0.2))
        z_h, r_h, n_h = self.project(warp(h, -flows)).chunk(3, dim=1)
        z_x, r_x, n_x = self.conv_x2h(x).chunk(3, dim=1)
        z = torch.sigmoid(z_x + z_h)
        r = torch.sigmoid(r_x + r_h)
        # a copy: n_h is a view of project's output, all of which autograd would keep
        n = functional.leaky_relu_(n_x + r * n_h.clone(), 0.2)
        h = mix(z, h, n)
        return Step(h, (h,))
