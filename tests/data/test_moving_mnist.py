import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.models import folder
from msrnn.data import open_data
from msrnn.data.digits import SPLITS, load_digits
from msrnn.data.held_out import HeldOut
from msrnn.data.moving_mnist import FixedSequences, MovingDigits
from msrnn.errors import SettingsError
from msrnn.settings import DataSettings, DigitsSettings, Split


def write_idx(path: Path, digits: np.ndarray) -> None:
    content = struct.pack(">IIII", 0x803, *digits.shape) + digits.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def pictures(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def rows(digits: np.ndarray) -> set[bytes]:
    return {digit.tobytes() for digit in digits}


def test_embedded_digits() -> None:
    splits = [load_digits(None, split, 28) for split in SPLITS]
    assert [len(digits) for digits in splits] == [1437, 180, 180]
    for digits in splits:
        assert digits.shape[1:] == (28, 28)
        assert digits.dtype == np.float32
        assert digits.min() >= 0
        assert 0.9 < digits.max() <= 1


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist_files(tmp_path: Path, ending: str) -> None:
    train, test = pictures(55_010, 0), pictures(20, 1)
    write_idx(tmp_path / f"train-images-idx3-ubyte{ending}", train)
    write_idx(tmp_path / f"t10k-images-idx3-ubyte{ending}", test)
    splits = [load_digits(str(tmp_path), split, 28) for split in SPLITS]
    assert [len(digits) for digits in splits] == [55_000, 10, 20]
    np.testing.assert_array_equal(splits[2], test.astype(np.float32) / 255)
    assert load_digits(str(tmp_path), "test", 14).shape == (20, 14, 14)


def check_no_digit_in_two_splits(path: str | None) -> list[set[bytes]]:
    splits = [rows(load_digits(path, split, 28)) for split in SPLITS]
    assert sum(map(len, splits)) == len(set.union(*splits))
    return splits


def test_no_digit_is_in_two_splits(tmp_path: Path) -> None:
    write_idx(tmp_path / "t10k-images-idx3-ubyte", pictures(200, 2))
    splits = check_no_digit_in_two_splits(str(tmp_path))
    assert [len(digits) for digits in splits] == [160, 20, 20]
    check_no_digit_in_two_splits(None)


def test_real_mnist() -> None:
    splits = check_no_digit_in_two_splits(str(folder("MSRNN_TEST_DATA") / "mnist"))
    assert sum(map(len, splits)) == 10_000


def sequences(purpose: str = "train", **options: Any) -> MovingDigits:
    return MovingDigits(load_digits(None, "train", 28), 10, 12, purpose=purpose, **options)


def test_sequences_are_functions_of_seed_purpose_and_number() -> None:
    first = sequences()
    x = first[3]
    assert x.shape == (12, 1, 64, 64)
    assert x.dtype == torch.float32
    assert 0 <= x.min() < x.max() <= 1
    _ = first[7]
    assert first[3].equal(x)
    for other in (sequences()[4], sequences(seed=1)[3], sequences("validation")[3]):
        assert not other.equal(x)


def corners(frames: torch.Tensor) -> np.ndarray:
    """Upper left corner of what is lit, per frame."""
    return np.array([[np.argmax(f.any(1)), np.argmax(f.any(0))] for f in frames.squeeze(1).numpy() > 0])


@pytest.mark.parametrize("whole", [True, False])
def test_digits_move_straight_and_are_reflected(whole: bool) -> None:
    square = np.ones((1, 10, 10), np.float32)
    moving = MovingDigits(square, 50, 60, size=(30, 40), number=1, speed=(0.1, 0.1), whole_pixels=whole)
    for number in range(20):
        frames = moving[number]
        lit = frames.flatten(1).sum(dim=1)
        torch.testing.assert_close(lit, torch.full_like(lit, 100), atol=1e-3, rtol=0)  # never leaves the frame
        position = np.array([[(f * np.indices(f.shape)[axis]).sum() for axis in (0, 1)] for f in frames[:, 0].numpy()])
        steps = np.abs(np.diff(position / 100, axis=0)) / (20, 30)  # shares of the free range
        slack = 0.06 if whole else 1e-4
        assert (steps <= np.abs(steps).max(axis=0) + slack).all()
        speed = np.hypot(*np.median(steps, axis=0))
        np.testing.assert_allclose(speed, 0.1, atol=slack)


def test_overlap_is_the_maximum() -> None:
    digits = np.stack([np.full((4, 4), 0.25), np.full((4, 4), 0.75)]).astype(np.float32)
    moving = MovingDigits(digits, 40, 20, size=(6, 6), number=2)
    values = {round(float(v), 6) for number in range(40) for v in moving[number].unique()}
    assert values == {0.0, 0.25, 0.75}


def test_held_out_sequences_are_fixed_and_training_ones_are_not() -> None:
    def first(split: Split, seed: int) -> torch.Tensor:
        data = open_data(DataSettings(), 2, 2, seed)
        return (data.training(5) if split == "train" else data.held_out(split))[0]

    for split in ("validation", "test"):
        assert first(split, 0).equal(first(split, 1))
    assert not first("train", 0).equal(first("train", 1))
    frames = {split: rows(first(split, 0).numpy()) for split in SPLITS}
    assert not frames["train"] & frames["validation"]
    assert not frames["train"] & frames["test"]
    assert not frames["validation"] & frames["test"]


def test_the_fixed_test_file(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (20, 3, 64, 64), dtype=np.uint8)
    np.save(tmp_path / "mnist_test_seq.npy", frames)
    digits = DigitsSettings(test_file=str(tmp_path / "mnist_test_seq.npy"))
    test = open_data(DataSettings(digits=digits), 10, 10, 0).held_out("test")
    assert len(test) == 3
    assert test[1].shape == (20, 1, 64, 64)
    np.testing.assert_allclose(test[1][:, 0].numpy(), frames[:, 1] / 255, rtol=1e-6)


def open_digits(folder: Path, split: Split) -> HeldOut:
    return open_data(DataSettings(digits=DigitsSettings(folder=str(folder))), 2, 2, 0).held_out(split)


def test_bad_data(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=r"no MNIST digits in .*empty"):
        open_digits(tmp_path / "empty", "train")
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", pictures(5, 0))
    damaged = tmp_path / "t10k-images-idx3-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(SettingsError, match="cannot be unpacked"):
        open_digits(tmp_path, "train")
    write_idx(damaged, pictures(5, 0))
    damaged.write_bytes(damaged.read_bytes()[:100] + bytes(50) + damaged.read_bytes()[150:])
    with pytest.raises(SettingsError, match="cannot be unpacked"):
        open_digits(tmp_path, "train")
    write_idx(damaged, pictures(3, 0))
    with pytest.raises(SettingsError, match="too few to be divided"):
        open_digits(tmp_path, "validation")
    damaged.unlink()
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"123")
    with pytest.raises(SettingsError, match="not a complete IDX file"):
        open_digits(tmp_path, "train")
    np.save(tmp_path / "floats.npy", np.zeros((20, 2, 64, 64)))
    with pytest.raises(SettingsError, match=r"expected uint8 of shape \(20, N, 64, 64\).*got float64"):
        FixedSequences(tmp_path / "floats.npy", 20)
    for shape in ((2, 20, 64, 64), (20, 0, 64, 64), (20, 64, 64)):
        np.save(tmp_path / "shape.npy", np.zeros(shape, np.uint8))
        with pytest.raises(SettingsError, match=r"expected uint8 of shape \(20, N, 64, 64\), got uint8"):
            FixedSequences(tmp_path / "shape.npy", 20)
    np.savez(tmp_path / "two.npz", np.zeros(1), np.zeros(1))
    with pytest.raises(SettingsError, match="holds 2 arrays"):
        FixedSequences(tmp_path / "two.npz", 20)
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(SettingsError, match=r"cannot be read as \.npy or \.npz"):
        FixedSequences(tmp_path / "text.npy", 20)
    with pytest.raises(SettingsError, match="No such file"):
        FixedSequences(tmp_path / "nothing.npy", 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"digit_size": 65}, "digit_size=65 must be between 1 and the frame's edge, 64"),
        ({"number": 0}, "at least one digit"),
        ({"speed": (0.2, 0.1)}, "two rising numbers"),
        ({"test_samples": 0}, "test_samples=0 must be at least 1"),
    ],
)
def test_bad_settings(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        (DataSettings if "test_samples" in options else DigitsSettings)(**options)
