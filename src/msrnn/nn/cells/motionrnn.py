import torch
from torch import Tensor, nn

from msrnn.nn.cells.base import Cell, Place, State, Step, mix
from msrnn.nn.cells.mim import MIM
from msrnn.nn.cells.predrnn import Inner, PredRNN
from msrnn.nn.ops.convolution import convolve
from msrnn.nn.ops.warp import warp


class MotionGRU(nn.Module):
    """Motion at half resolution, as a transient variation F over a trend D; the hidden state H is moved along it.

    Wu et al. 2021, https://arxiv.org/abs/2103.02243, section 3.2. `F` holds K^2 = 9 flows of (u, v).
    """

    taps = 9

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels % 4:
            raise ValueError(f"MotionRNN needs hidden_channels divisible by 4, got {channels}")
        encoded, flows = channels // 4, 2 * self.taps
        self.conv_enc = nn.Conv2d(channels, encoded, 2, stride=2)
        self.conv_u = nn.Conv2d(encoded + flows, flows, 1)
        self.conv_r = nn.Conv2d(encoded + flows, flows, 1)
        self.conv_z = nn.Conv2d(encoded + flows, flows, 1)
        self.conv_hm = nn.Conv2d(encoded, self.taps, 1)
        self.conv_dec = nn.Conv2d(encoded * self.taps, encoded, 1)
        self.deconv_dec = nn.ConvTranspose2d(encoded, channels, 4, stride=2, padding=1)
        self.conv_g = nn.Conv2d(2 * channels, channels, 1)

    def initial_state(self, zeros: Tensor) -> State:
        batch, _, height, width = zeros.shape
        return (zeros.new_zeros(batch, 2 * self.taps, height // 2, width // 2),) * 2

    def forward(self, h: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the moved H, (batch, C, y, x) as `h` is, and the next (F, D)."""
        f, d = state
        e = self.conv_enc(h)
        u = torch.sigmoid(convolve((self.conv_u, e, f)))
        r = torch.sigmoid(convolve((self.conv_r, e, f)))
        q = torch.tanh(convolve((self.conv_z, e, r * f)))
        d = d + 0.5 * (f - d)
        f = mix(u, q, f) + d
        mask = torch.sigmoid(self.conv_hm(e)).unsqueeze(1)
        moved = warp(e, f).reshape(len(e), -1, *mask.shape[2:]) * mask
        decoded = self.deconv_dec(self.conv_dec(moved.flatten(1, 2)))
        g = torch.sigmoid(convolve((self.conv_g, decoded, h)))
        return mix(g, h, decoded), (f, d)

    def highway(self, x: Tensor, flow: State, step: Step, inner: Inner) -> Step:
        """Move the output of a cell's `step`, and add the input x where the output gate is closed (the motion highway).

        `flow` is (F, D); the next (F, D) follows the cell's own state.
        """
        moved, flow = self(step.h, flow)
        h = moved + (1 - inner.o) * x
        return Step(h, (h, *step.state[1:], *flow), step.m)


class BottomMotionRNN(PredRNN):
    """Layer 0 of MotionRNN: an ST-LSTM with a MotionGRU after it and a highway around both."""

    multiple = 2

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__(channels, kernel_size)
        self.motion = MotionGRU(channels)

    def initial_state(self, zeros: Tensor) -> State:
        return super().initial_state(zeros) + self.motion.initial_state(zeros)

    def forward(self, x: Tensor, state: State, m: Tensor) -> Step:
        *own, f, d = state
        return self.motion.highway(x, (f, d), *self.st_lstm(x, tuple(own), m))


class MotionRNN(MIM):
    """MIM with a MotionGRU and a motion highway (Wu et al. 2021, https://arxiv.org/abs/2103.02243).

    Layer 0 stands on an ST-LSTM, as in MIM; the last layer, without highway, is plain MIM.

    Differs from the released code: warping with zero flow is the identity, and flows and warped copies are not mixed
    between samples and pixels, so forecasts with released weights differ from the released code's; weights that feed
    nothing (as in MIM; the last layer's MotionGRU) do not exist.
    """

    multiple = 2

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__(channels, kernel_size)
        self.motion = MotionGRU(channels)

    @classmethod
    def at(cls, place: Place) -> type[Cell]:
        if place.last:
            return MIM.at(place)
        return BottomMotionRNN if place.first else cls

    def initial_state(self, zeros: Tensor) -> State:
        return super().initial_state(zeros) + self.motion.initial_state(zeros)

    def forward(self, x: Tensor, state: State, m: Tensor, previous: Tensor) -> Step:
        *own, f, d = state
        return self.motion.highway(x, (f, d), *self.mim(x, tuple(own), m, previous))
