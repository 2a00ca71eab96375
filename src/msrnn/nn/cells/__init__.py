"""Recurrent cells, one per file, and the table that names them. A new cell needs a file and a row."""

from msrnn.nn.cells.base import Cell, Place, State, Step, Surroundings
from msrnn.nn.cells.cmslstm import CMSLSTM
from msrnn.nn.cells.convlstm import ConvLSTM
from msrnn.nn.cells.mim import MIM
from msrnn.nn.cells.mklstm import MKLSTM
from msrnn.nn.cells.modernn import MoDeRNN
from msrnn.nn.cells.motionrnn import MotionRNN
from msrnn.nn.cells.preciplstm import PrecipLSTM
from msrnn.nn.cells.predrnn import PredRNN
from msrnn.nn.cells.predrnn_v2 import PredRNNV2
from msrnn.nn.cells.predrnnpp import PredRNNpp
from msrnn.nn.cells.trajgru import TrajGRU

__all__ = ["CELLS", "Cell", "Place", "State", "Step", "Surroundings"]

CELLS: dict[str, type[Cell]] = {
    "convlstm": ConvLSTM,
    "trajgru": TrajGRU,
    "predrnn": PredRNN,
    "predrnn++": PredRNNpp,
    "mim": MIM,
    "motionrnn": MotionRNN,
    "predrnn-v2": PredRNNV2,
    "preciplstm": PrecipLSTM,
    "mk-lstm": MKLSTM,
    "cms-lstm": CMSLSTM,
    "modernn": MoDeRNN,
}
"""All cells by the name of their plain model."""
