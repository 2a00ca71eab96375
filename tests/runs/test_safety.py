"""Nothing in a file is ever executed, and what is of another version or shape is refused by name."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import msrnn
from msrnn.data.archive import open_archive
from msrnn.errors import SettingsError
from msrnn.runs.directory import RunDirectory
from msrnn.settings import DataSettings, DigitsSettings, ModelSettings, RunSettings
from msrnn.training.train import train

SETTINGS = RunSettings(
    ModelSettings("ms-convlstm", hidden_channels=4),
    DataSettings("moving-mnist", epoch_samples=8, validation_samples=2, digits=DigitsSettings(None, None, (16, 16), 8)),
    context=2,
    horizon=2,
    epochs=1,
    device="cpu",
)


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return train(SETTINGS, tmp_path / "run")


def test_malicious_pickles_are_refused(run: RunDirectory, tmp_path: Path) -> None:
    made = tmp_path / "made"
    torch.save({"global_step": 1, "fingerprint": 0, "more": Malicious(made)}, run.last_checkpoint)
    with pytest.raises(SettingsError, match=r"last\.ckpt is damaged"):
        train(SETTINGS, run.path, resume=True)
    run.last_checkpoint.write_bytes(pickle.dumps(Malicious(made), protocol=2))
    with pytest.raises(SettingsError, match=r"last\.ckpt is damaged"):
        train(SETTINGS, run.path, resume=True)
    run.weights_file.write_bytes(pickle.dumps(Malicious(made)))
    with pytest.raises(SettingsError, match=r"weights\.safetensors is damaged"):
        msrnn.load(run.path)
    torch.save({"embed.weight": Malicious(made)}, tmp_path / "released.pth")
    with pytest.raises(pickle.UnpicklingError):
        msrnn.from_reference(tmp_path / "released.pth", "ms-convlstm")
    for name in ("frames.npy", "frames.npz"):
        frames = np.array([[[Malicious(made)]]], dtype=object)
        np.save(tmp_path / name, frames) if name.endswith("npy") else np.savez(tmp_path / name, frames)
        with pytest.raises(SettingsError):
            open_archive(tmp_path / name)
    run.settings_file.write_text(f"model: !!python/object/apply:pathlib.Path.touch [{made}]\n")
    with pytest.raises(SettingsError, match=r"settings\.yaml is damaged"):
        run.settings()
    assert not made.exists()
    pickle.loads(pickle.dumps(Malicious(made)))
    assert made.exists()  # it would have been


def test_a_run_of_a_newer_version(run: RunDirectory) -> None:
    document = yaml.safe_load(run.settings_file.read_text())
    document["versions"]["msrnn"] = "99.1.0"
    document["unheard_of"] = 1
    run.settings_file.write_text(yaml.safe_dump(document))
    with pytest.raises(SettingsError, match=f"was made by msrnn 99.1.0, this is {msrnn.__version__}: update msrnn"):
        msrnn.load(run.path)
    document["versions"]["msrnn"] = msrnn.__version__
    run.settings_file.write_text(yaml.safe_dump(document))
    with pytest.raises(SettingsError, match="unheard_of"):
        msrnn.load(run.path)


def test_weights_of_another_shape(run: RunDirectory) -> None:
    weights = load_file(run.weights_file)
    weights["head.weight"] = weights["head.weight"][:, :2].contiguous()
    save_file(weights, run.weights_file)
    with pytest.raises(SettingsError, match=r"head\.weight is \[1, 2, 1, 1\] there, \[1, 4, 1, 1\] here"):
        msrnn.load(RunDirectory(run.path).path)
