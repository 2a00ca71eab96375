from torch import Tensor, nn

from msrnn.nn.cells.base import State, Step, mogrify
from msrnn.nn.cells.convlstm import ConvLSTM


class MoDeRNN(ConvLSTM):
    """ConvLSTM before which input and state gate each other in detail.

    Chai et al. 2021, "MoDeRNN: Towards Fine-grained Motion Details for Spatiotemporal Predictive Learning",
    https://arxiv.org/abs/2110.12978. Each of these gates is the mean of three convolutions, of kernels `kernel_size`,
    `kernel_size` + 2 and + 4.
    """

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__(channels, kernel_size)
        self.convs_q = self._convs()
        self.convs_r = self._convs()

    def _convs(self) -> nn.ModuleList:
        return nn.ModuleList(self.conv(1, 1, kernel_size=self.kernel_size + more) for more in (0, 2, 4))

    def forward(self, x: Tensor, state: State) -> Step:
        h, c = state
        x, h = mogrify(x, h, lambda h: _mean(self.convs_q, h), lambda x: _mean(self.convs_r, x))
        return super().forward(x, (h, c))


def _mean(convs: nn.ModuleList, x: Tensor) -> Tensor:
    small, medium, large = convs
    return (small(x) + medium(x) + large(x)) / 3  # type: ignore[no-any-return]
