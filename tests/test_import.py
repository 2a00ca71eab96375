import subprocess
import sys

import pytest

import msrnn

ALONE = """
import importlib.abc, sys
OURS = {"lightning", "torchmetrics", "safetensors", "jsonargparse", "sklearn", "scipy", "matplotlib", "PIL",
        "tensorboard", "rich", "yaml", "xarray", "h5py", "zarr"}

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in OURS:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import msrnn
import torch
print(msrnn.create_model("ms-predrnn++", hidden_channels=4).forecast(torch.rand(1, 2, 1, 8, 8), horizon=2).shape)
"""


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip()


def test_models_need_torch_and_numpy_alone() -> None:
    assert python(ALONE) == "torch.Size([1, 2, 1, 8, 8])"


def test_import_is_light() -> None:
    assert python("import sys, msrnn; print('torch' in sys.modules, 'numpy' in sys.modules)") == "False False"
    loaded = python("import sys, torch; before = set(sys.modules); import msrnn; print(len(set(sys.modules) - before))")
    assert int(loaded) < 5


def test_names() -> None:
    for name in msrnn.__all__:
        assert getattr(msrnn, name) is not None
        assert name in dir(msrnn)
    with pytest.raises(AttributeError, match="it has Cell"):
        msrnn.nothing  # noqa: B018
