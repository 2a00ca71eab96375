"""Models of OpenSTL (github.com/chengtan9907/OpenSTL), imported from a checkout of its source, to measure beside ours.

They need torch alone. OpenSTL imports more packages, for other models; they may be missing.
"""

import importlib
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

UNUSED = (
    "timm", "einops", "pywt", "cv2", "decord", "fvcore", "hickle", "lpips", "nni", "scipy", "skimage", "torchvision",
)  # fmt: skip
"""Packages that OpenSTL imports. Of them, these models use two parts of timm alone."""


class StochasticDepth(nn.Module):
    """Leaves out a sample's residual branch with a probability, in training (Huang et al. 2016, arXiv 1603.09382)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.probability:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 1)) >= self.probability
        return x * kept / (1 - self.probability)


USED = {"trunc_normal_": nn.init.trunc_normal_, "DropPath": StochasticDepth}
"""What stands for these two."""


class _Absent(ModuleType):
    """Stands for a package that is not installed: every name in it is an empty class, but for those in `USED`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return USED.get(name) or type(name, (), {})


class _AbsentPackages(MetaPathFinder, Loader):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in UNUSED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def import_models(checkout: Path) -> ModuleType:
    """Import `openstl.models` from a checkout."""
    sys.path.insert(0, str(checkout))
    sys.meta_path.append(_AbsentPackages())  # the last to be asked: what is installed comes first
    return importlib.import_module("openstl.models")


class Recurrent(nn.Module):
    """OpenSTL's ConvLSTM or PredRNN, rolled out over frames (batch, time, channel, y, x)."""

    def __init__(self, models: ModuleType, name: str, shape: Sequence[int], hidden: int, layers: int, patch: int):
        super().__init__()
        self.patch = patch
        size = Namespace(
            in_shape=tuple(shape), patch_size=patch, filter_size=5, stride=1, layer_norm=0, reverse_scheduled_sampling=0
        )
        self.settings = size
        self.model = getattr(models, name)(layers, [hidden] * layers, size)

    def forward(self, frames: Tensor, context: int, truth_mask: Tensor) -> Tensor:
        """Predict frames 1 ... T - 1; after the context `truth_mask`, (batch, T - 1), says which frames are fed."""
        self.settings.pre_seq_length, self.settings.aft_seq_length = context, frames.shape[1] - context
        patches = pixel_unshuffle(frames, self.patch).permute(0, 1, 3, 4, 2)
        fed = truth_mask[:, context:, None, None, None].to(frames.dtype).expand(-1, -1, *patches.shape[2:])
        predictions, _ = self.model(patches, fed, return_loss=False)
        return pixel_shuffle(predictions.permute(0, 1, 4, 2, 3), self.patch)

    def forecast(self, frames: Tensor, horizon: int) -> Tensor:
        """Predict the `horizon` frames after the context `frames`."""
        context = frames.shape[1]
        later = frames.new_zeros(len(frames), horizon, *frames.shape[2:])
        nothing = torch.zeros(len(frames), context + horizon - 1, dtype=torch.bool)
        made: Tensor = self(torch.cat((frames, later), dim=1), context, nothing)
        return made[:, context - 1 :]


class SimVP(nn.Module):
    """OpenSTL's SimVP with gated spatiotemporal attention: as many frames out as in, again for longer forecasts."""

    def __init__(self, models: ModuleType, shape: Sequence[int], **sizes: int):
        super().__init__()
        self.model = models.SimVP_Model(tuple(shape), model_type="gSTA", **sizes)

    def forecast(self, frames: Tensor, horizon: int) -> Tensor:
        """Predict the `horizon` frames after the context `frames`."""
        made = [frames]
        while sum(part.shape[1] for part in made[1:]) < horizon:
            made.append(self.model(made[-1].contiguous()))
        return torch.cat(made[1:], dim=1)[:, :horizon]
