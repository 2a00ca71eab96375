import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from safetensors.torch import save_file

import msrnn
from helpers.commands import refused
from msrnn.cli import main

SMALL = [
    "--data.digits.size=16",
    "--data.digits.digit-size=8",
    "--data.epoch-samples=8",
    "--data.validation-samples=2",
    "--data.test-samples=3",
    "--context=2",
    "--horizon=2",
    "--epochs=1",
    "--precision=32",
    "--device=cpu",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "first"
    main(["train", "--model=ms-convlstm", "--model.hidden-channels=4", "--data=moving-mnist", *SMALL, f"--out={path}"])
    return path


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    path = tmp_path / "frames.npy"
    np.save(path, np.random.default_rng(0).random((3, 16, 20), np.float32))
    return path


def test_evaluate(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", str(run), "--device=cpu"])
    table = capsys.readouterr().out
    assert "3 sequences; 2 frames given, 2 scored" in table
    assert (run / "scores.txt").read_text() == table
    rows = (run / "scores.csv").read_text().splitlines()
    assert rows[0] == "model,score,threshold,window,lead,value,low,high,n,skill"
    assert len(rows) == 1 + (3 + 2) * 8 * 3  # models and differences, scores, leads
    main(["evaluate", str(run), "--device=cpu", "--horizon=4", "--data.test-samples", "2", "--data.digits.size=20x16"])
    assert "2 sequences; 2 frames given, 4 scored" in capsys.readouterr().out
    assert (run / "scores.txt").read_text() == table
    assert (run / "scores-horizon=4-test_samples=2-size=20x16.csv").is_file()
    options = [
        "--protocol=paper",
        "--baselines",
        "persistence",
        str(run),
        "--thresholds",
        "-0.1",
        ".7",
        "--windows=3,5",
    ]
    main(["evaluate", str(run), "--device=cpu", *options])
    said = capsys.readouterr().out
    assert "Protocol paper" in said
    assert "fss 0.7, 5 px" in said
    assert f"run3: {run}" in said.replace("\n", "")


def test_evaluate_on_other_data(run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "frames.npy", np.random.default_rng(0).random((40, 16, 16), np.float32))
        main(["evaluate", str(run), "--device=cpu", "--data", str(tmp_path / name / "frames.npy")])
    assert len(list(run.glob("scores-name=frames.npy-*.csv"))) == 2


def test_evaluate_on_the_fixed_file(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "fixed.npy", np.zeros((20, 2, 64, 64), np.uint8))
    main(["evaluate", str(run), "--device=cpu", f"--data.digits.test-file={tmp_path / 'fixed.npy'}"])
    assert "2 sequences" in capsys.readouterr().out


def test_predict(run: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "forecast.npy"
    main(["predict", str(run), "--input", str(frames), "--output", str(output), "--horizon", "5", "--device", "cpu"])
    assert "5 frames of 16 x 20, after 2 given" in capsys.readouterr().err
    expected = msrnn.load(run, device="cpu").predict(np.load(frames)[-2:], 5)
    np.testing.assert_array_equal(np.load(output), expected)
    assert "exists: choose another name, or add --overwrite" in refused(
        capsys, "predict", run, "--input", frames, "--output", output
    )
    main(["predict", str(run), "--input", str(frames), "--output", str(output), "--overwrite", "--device=cpu"])
    assert np.load(output).shape == (2, 16, 20)


def test_predict_says_how_it_scales_and_reads_npz(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "frames.npz", np.zeros((2, 2, 1, 8, 8), np.uint8))
    main(["predict", str(run), "--input", str(tmp_path / "frames.npz"), "--output", str(tmp_path / "out.npy")])
    assert "2 frames of 8 x 8 for each of 2 sequences, after 2 given; integers scaled by 255" in capsys.readouterr().err
    assert np.load(tmp_path / "out.npy").shape == (2, 2, 1, 8, 8)


def test_predict_writes_an_animation(run: Path, frames: Path, tmp_path: Path) -> None:
    main(["predict", str(run), "--input", str(frames), "--output", str(tmp_path / "forecast.gif"), "--horizon=4"])
    with Image.open(tmp_path / "forecast.gif") as image:
        assert len(ImageSequence.all_frames(image)) == 6
        seen = []
        for number in range(6):
            image.seek(number)
            seen.append(np.asarray(image.convert("RGB")))
    assert not np.array_equal(seen[0], seen[1])
    edges = [tuple(int(v) for v in image[24, 74]) for image in seen]  # the frame around the picture
    assert len(set(edges[:2])) == len(set(edges[2:])) == 1
    assert edges[1] != edges[2]


def test_train_resumes(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--resume", "--out", str(run)])
    assert "next: msrnn evaluate" in capsys.readouterr().err
    assert "--model.hidden-channels: it is 4" in refused(
        capsys, "train", "--resume", "--out", run, "--model.hidden-channels=8"
    )


def test_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "model: {name: trajgru, hidden_channels: 4, options: {links: 2}, scales: [1, 2]}\n"
        "data: {digits: {size: 16, digit_size: 8}, epoch_samples: 8, validation_samples: 2}\n"
        "context: 2\nhorizon: 1\nepochs: 1\n"
    )
    main(["train", "--config", str(recipe), "--out", str(tmp_path / "run"), "--horizon", "2", "--device=cpu"])
    predictor = msrnn.load(tmp_path / "run", device="cpu")
    assert predictor.settings.horizon == 2
    assert predictor.model.pyramid.scales == (1, 2)


def test_dates_in_a_recipe_need_no_quotes(tmp_path: Path, frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"model: {{name: ms-mim}}\ndata: {{name: '{frames}', test_from: 2015-01-01}}\n")
    said = refused(capsys, "train", "--config", recipe, "--out", tmp_path / "run", "--context=1", "--horizon=1")
    assert "--data.test-from" in said
    assert "expected text" not in said


def test_bad_usage(run: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing, recipe = tmp_path / "nothing", tmp_path / "recipe.yaml"
    recipe.write_text("data: {sise: [8, 8]}")
    option, name = tmp_path / "option.yaml", tmp_path / "name.yaml"
    option.write_text("out: here\nmodel: {name: ms-mim}")
    name.write_text("data: kth\nmodel: {name: ms-mim}")
    train = ["train", "--out", nothing, *SMALL]
    output = ["--output", tmp_path / "out.npy"]
    wrong: list[tuple[list[object], str]] = [
        ([], "required: COMMAND"),
        (["tarin"], "train"),
        (["--trian", "--out", nothing], "there is no option --trian; did you mean train?"),
        (["predict", run, "--input", frames, "--outptu", "a.npy"], "no option --outptu; did you mean --output?"),
        ([*train, "--model", "ms-mim", "more.npy"], "unexpected argument more.npy; a pattern"),
        ([*train, "--model", "ms-mim", "--data.crop", "x"], "--data.crop: expected one or two whole numbers, got"),
        ([*train, "--model", "ms-predrn"], "no model 'ms-predrn'; choose from cms-lstm, convlstm"),
        ([*train], "--model must be given"),
        (["train", "--model", "ms-mim"], "required: --out"),
        ([*train, "--model", "ms-mim", "--nothing", "1"], "--nothing"),
        ([*train, "--model", "ms-mim", "--loss", "l3"], "one of paper, mse, balanced, gdl"),
        ([*train, "--model", "ms-mim", "--data", "kth"], "--data.digits is for moving-mnist, given is --data kth"),
        (["train", "--model", "ms-mim", "--out", nothing, "--data", "kth"], "needs its files: --data.path FOLDER"),
        (["train", "--model", "ms-mim", "--out", nothing, "--data", nothing], "there is no such file or folder"),
        ([*train, "--model", "ms-mim", "--data.crop", "8"], "--data.crop is for files, given is --data moving-mnist"),
        ([*train, "--model", "ms-mim", "--epochs", "many"], "many"),
        ([*train, "--model", "ms-mim", "--horizon", "0"], "--horizon 0 must be at least 1"),
        ([*train, "--model", "ms-mim", "--model.options.links", "3"], "no option links for ms-mim"),
        ([*train, "--model", "ms-mim", "--model.scales", "[1,3]"], "differ by a factor of 2"),
        ([*train, "--model", "ms-mim", "--data.digits.folder", nothing], "there is no folder"),
        ([*train, "--model", "ms-mim", "--data.digits.digit-size", "17"], "digit-size 17 must be between 1 and"),
        ([*train, "--model", "ms-mim", "--init-from", nothing], "not there"),
        ([*train, "--model", "ms-mim", "--config", nothing], "nothing"),
        (["train", "--model", "ms-mim", "--out", run], "exists: choose another --out"),
        (["train", "--resume", "--out", nothing], "not there"),
        (["train", "--model", "ms-mim", "--out", ""], "not an empty one"),
        (["evaluate", ""], "not an empty one"),
        (["evaluate", nothing], "is no run directory (not there)"),
        (["evaluate", frames], "is no run directory (no directory)"),
        (["evaluate", tmp_path], "no settings.yaml in it"),
        (["evaluate", run, "--data.digits.test-file", nothing], "No such file"),
        (["evaluate", run, "--horizon", "0"], "--horizon 0"),
        (["evaluate", run, "--batch-size", "0"], "--batch-size 0 must be at least 1"),
        ([*train, "--model", "trajgru", "--model.options.links", "a"], "model: "),
        ([*train, "--model", "ms-mim", "--model.options.hidden_channels", "3"], "model: "),
        ([*train, "--model", "ms-mim", "--model.scales", "a"], "--model.scales: expected a list of whole numbers"),
        ([*train, "--model", "ms-mim", "--seed", "-1"], "--seed -1 must not be negative"),
        ([*train, "--model", "ms-mim", "--config", run / "weights.safetensors"], "weights.safetensors is no YAML file"),
        (["train", "--resume", "--out", run, "--init-from", run], "leave out --init-from"),
        (["demo", "--minutes", "-3"], "must be positive"),
        (["predict", run, *output], "required: --input"),
        (["predict", *output], "required: RUN, --input"),
        (["predict", run, "--input", frames, "--output", frames, "--overwrite"], "is the input: choose another name"),
        ([*train, "--model", "ms-mim", "--sampling", "x"], "expected one of scheduled, reverse-scheduled"),
        ([*train, "--model", "ms-mim", "--data.digits.test-file", frames], "--data.digits.test-file: expected uint8"),
        (["train", "--model", "ms-mim", "--out", frames], "is a file"),
        (["predict", run, "--input", nothing, *output], "there is no such file"),
        (["predict", run, "--input", run / "settings.yaml", *output], "is no format that is known by its content"),
        (["predict", run, "--input", frames, *output, "--horizon", "0"], "at least 1 frame"),
        (["predict", run, "--input", frames, "--output", tmp_path / "out.mov"], ".npy or .png or .gif or .mp4"),
        (["predict", run, "--input", frames, "--output", "/proc/nothing/out.npy"], "cannot be written"),
        (["predict", nothing, "--input", frames, *output], "no run directory"),
        (["experiment", recipe, "--out", frames], "frames.npy: that is a file; name a folder"),
        ([*train, "--model", "ms-mim", "--config", recipe], "no setting data.sise; did you mean --data.size?"),
        ([*train, "--config", option], "there is no setting --out"),
        ([*train, "--config", name, "--data.stride=2"], "--data: expected settings such as {name: ...}, got 'kth'"),
    ]  # fmt: skip
    for arguments, message in wrong:
        assert message in refused(capsys, *arguments), arguments
    assert not nothing.exists()
    assert not (tmp_path / "out.npy").exists()


def test_damaged_files(run: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("settings.yaml", "field.yaml", "weights.safetensors"):
        (damaged / name).write_bytes((run / name).read_bytes())
    predict = ["predict", damaged, "--input", frames, "--output", tmp_path / "out.npy"]
    (damaged / "weights.safetensors").write_bytes(b"\0" * 20)
    assert "weights.safetensors is damaged" in refused(capsys, *predict)
    save_file({"other": torch.zeros(1)}, damaged / "weights.safetensors")
    assert "holds another model" in refused(capsys, *predict)
    (damaged / "weights.safetensors").unlink()
    assert "has no weights yet" in refused(capsys, *predict)
    (damaged / "checkpoints").mkdir()
    (damaged / "checkpoints" / "last.ckpt").write_bytes(b"no checkpoint")
    assert "last.ckpt is damaged" in refused(capsys, "train", "--resume", "--out", damaged)
    torch.save({"something": "else"}, damaged / "checkpoints" / "last.ckpt")
    assert "last.ckpt is damaged" in refused(capsys, "train", "--resume", "--out", damaged)
    (damaged / "settings.yaml").write_text("[1, 2")
    assert "settings.yaml is damaged" in refused(capsys, *predict)
    (tmp_path / "frames.npz").write_bytes(b"PK\3\4 damaged")
    predict[1:4] = run, "--input", tmp_path / "frames.npz"
    assert "cannot be read as .npy or .npz" in refused(capsys, *predict)
    np.savez_compressed(tmp_path / "frames.npz", np.random.default_rng(0).random((2, 16, 16)))
    content = bytearray((tmp_path / "frames.npz").read_bytes())
    content[200:400] = bytes(200)
    (tmp_path / "frames.npz").write_bytes(content)
    assert "cannot be read as .npy or .npz" in refused(capsys, *predict)
    with zipfile.ZipFile(tmp_path / "frames.npz", "w") as archive:
        archive.writestr("text.txt", "no array")
    assert "cannot be read as .npy or .npz" in refused(capsys, *predict)
    np.save(tmp_path / "nan.npy", np.full((2, 4, 4), np.nan))
    predict[3] = tmp_path / "nan.npy"
    assert "all values are missing" in refused(capsys, *predict)
    np.savez(tmp_path / "two.npz", a=np.zeros(2), b=np.zeros(2))
    predict[3] = tmp_path / "two.npz"
    assert "holds 2 arrays (a, b); choose one: --reader-options array=a" in refused(capsys, *predict)


def test_out_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "run"
    assert "cannot be written" in refused(capsys, "train", "--model", "convlstm", "--out", out, *SMALL)


def test_help_needs_no_torch() -> None:
    code = (
        "import sys\nfrom msrnn.cli import main\n"
        "for arguments in (['--help'], ['train', '--help'], ['predict', '--help'], ['evaluate', '--help']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit as exit: assert not exit.code\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules, 'heavy'\n"
    )
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert "--init-from" in text
    assert "--data.digits.folder" in text
    assert "_" not in "".join(word for word in text.split() if word.startswith("--"))
    assert max(map(len, text.splitlines())) <= 100


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert not exit_.value.code
    assert capsys.readouterr().out.strip() == f"msrnn {msrnn.__version__}"


def test_switches_need_no_value(tmp_path: Path, frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--context=2", "--horizon=2", f"--out={tmp_path / 'run'}"]
    for arguments in (["--compile", "--data.skip-bad"], ["--compile", "false", "--data.skip-bad=true"]):
        said = refused(capsys, "train", "--model", "convlstm", "--data", frames, *arguments, *out)
        assert "no train sequence of 4 frames" in said  # what is wrong is not the switches
    assert "expected" in refused(capsys, "train", "--model", "convlstm", "--compile", "perhaps", *out)


def test_options_may_stand_before_arguments(
    run: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["evaluate", "--device=cpu", "--data.test-samples=2", "--windows", "3", "5", str(run)])
    assert "2 sequences" in capsys.readouterr().out
    main(["data", "convert", "--skip-bad", "--size", "8", "10", str(frames), "--to", str(tmp_path / "small.zarr")])
    for number, switch in enumerate((["--skip-bad"], ["--skip-bad", "false"])):
        main(["data", "convert", *switch, str(frames), "--to", str(tmp_path / f"{number}.zarr")])
        assert (tmp_path / f"{number}.zarr").is_dir()
    assert "3 frames, 0 skipped" in capsys.readouterr().err
    for values in (["-5,2"], ["-5", "2"], ["-5e0", "2"]):
        assert "is no run directory" in refused(capsys, "evaluate", tmp_path, "--thresholds", *values)


def test_memory_modes_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = refused(capsys, "train", "--model", "convlstm", "--memory", "foo", "--out", tmp_path / "run")
    assert said == "msrnn: --memory: expected one of keep, step, sqrt, auto, got 'foo'"
