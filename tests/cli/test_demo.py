import csv
from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from msrnn.cli import main


def scores(run: Path) -> dict[tuple[str, str, str], float]:
    """(model, score, lead) -> value"""
    with (run / "scores.csv").open() as file:
        return {(row["model"], row["score"], row["lead"]): float(row["value"]) for row in csv.DictReader(file)}


def test_the_demo_leaves_everything_and_takes_the_next_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("demo", "demo-2"):
        main(["demo", "--out", str(tmp_path / "demo"), "--minutes", "0.02"])
        said = capsys.readouterr().out
        for file in ("report.html", "forecast.gif", "scores.txt"):
            assert (tmp_path / name / file).is_file()
            assert str(tmp_path / name / file) in said
        with Image.open(tmp_path / name / "forecast.gif") as image:
            assert len(ImageSequence.all_frames(image)) == 10
        assert max(map(len, said.splitlines())) <= 80 + len(str(tmp_path))


@pytest.mark.slow
def test_the_demo_learns(tmp_path: Path) -> None:
    main(["demo", "--out", str(tmp_path / "demo")])
    score = scores(tmp_path / "demo")
    mse = score["model", "mse", "all"]
    assert mse <= 0.5 * score["persistence", "mse", "all"]
    assert mse <= 0.7 * score["best constant image", "mse", "all"]
    assert score["model", "mse", "1"] <= 0.3 * score["persistence", "mse", "1"]
