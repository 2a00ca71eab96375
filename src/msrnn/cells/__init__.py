"""Recurrent cells, one per file, and the table that names them. A new cell is a file and a row."""

from msrnn.cells.base import Cell, Place, State
from msrnn.cells.cmslstm import CMSLSTM
from msrnn.cells.convlstm import ConvLSTM
from msrnn.cells.mim import MIM
from msrnn.cells.mklstm import MKLSTM
from msrnn.cells.modernn import MoDeRNN
from msrnn.cells.motionrnn import MotionRNN
from msrnn.cells.preciplstm import PrecipLSTM
from msrnn.cells.predrnn import PredRNN
from msrnn.cells.predrnn_v2 import PredRNNV2
from msrnn.cells.predrnnpp import PredRNNpp
from msrnn.cells.trajgru import TrajGRU

__all__ = ["CELLS", "Cell", "Place", "State"]

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
