from torch import Tensor, nn

from msrnn.nn.cells.base import State, Step
from msrnn.nn.cells.predrnn import STLSTM


class PredRNNV2(STLSTM):
    """PredRNN with a loss that pushes the updates of c and m apart (Wang et al. 2022, https://arxiv.org/abs/2103.09504).

    The auxiliary term is 0.01 times the sum over channels of |cos(A delta_c, A delta_m)|, the cosine over space, where
    A is a 1x1 convolution that all layers share; the mean over samples.
    """

    sampling = "reverse-scheduled"
    decoupling_weight = 0.01

    @classmethod
    def shared(cls, channels: int) -> nn.Module:
        return nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, state: State, m: Tensor, shared: nn.Module) -> Step:
        step, inner = self.st_lstm(x, state, m)
        cosine = decoupling(shared(inner.delta_c), shared(inner.delta_m))
        return step._replace(auxiliary=self.decoupling_weight * cosine.sum(dim=1).mean())


def decoupling(delta_c: Tensor, delta_m: Tensor) -> Tensor:
    """Compute |cos| over space between two (batch, channel, y, x); the result is (batch, channel)."""
    a, b = delta_c.flatten(2), delta_m.flatten(2)
    lengths = a.norm(dim=2) * b.norm(dim=2)
    cosine: Tensor = (a * b).sum(dim=2) / lengths.clamp_min(1e-24)
    return cosine.abs()
