"""Reports and figures."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from safetensors.torch import save_file

from helpers import formats
from helpers.commands import refused
from helpers.models import frames
from helpers.worst_error import WorstError
from msrnn.cli import main
from msrnn.data import open_data
from msrnn.nn.models import build_model
from msrnn.plots import plot_frames, plot_scores, plot_training, save_figure
from msrnn.plots.colours import DIFFERENCE, GREY, MISSING, RAIN, RAIN_DIFFERENCE
from msrnn.report.gallery import choose
from msrnn.report.page import write_report
from msrnn.runs.directory import RunDirectory
from msrnn.runs.predictor import Predictor
from msrnn.scores import SCORES, Score, ScoreInfo
from msrnn.scores.results import Evaluation
from msrnn.scores.table import TablePlace
from msrnn.settings import DataSettings, DigitsSettings, ModelSettings, RunSettings


def make_run(path: Path, data: DataSettings, context: int = 3, horizon: int = 2, seed: int = 0) -> Predictor:
    """A run directory of a model that nobody trained."""
    settings = RunSettings(ModelSettings("ms-convlstm", hidden_channels=4), data, context=context, horizon=horizon)
    opened = open_data(data, context, horizon, 0)
    settings = replace(settings, data=opened.stored_settings)
    torch.manual_seed(seed)
    model = build_model(settings.model, opened.field.channels).eval()
    directory = RunDirectory(path)
    directory.create(settings, opened.field)
    save_file(model.state_dict(), directory.weights_file)
    lines = [{"step": 10 * k, "train/loss": 9 / k, "validation/mse": 1 / k} for k in (1, 2, 3)]
    directory.metrics_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Predictor(model, settings, opened.field)


def digits(**settings: Any) -> DataSettings:
    return DataSettings(digits=DigitsSettings(size=(16, 16), digit_size=8, number=1), test_samples=9, **settings)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate(("one", "other")):
        make_run(folder / name, digits(), seed=seed)
    return folder


@pytest.fixture(scope="module")
def radar(tmp_path_factory: pytest.TempPathFactory) -> DataSettings:
    folder = tmp_path_factory.mktemp("radar")
    values = np.zeros((40, 24, 28))
    for t in range(40):
        values[t, 6:16, t % 20 : t % 20 + 8] = 0.06 + 0.02 * (t % 3)
    values[:, :4] = np.nan
    formats.write_knmi(folder, values)
    return DataSettings(str(folder), shares=(0.5, 0.2, 0.3), guard=1)


@pytest.fixture(scope="module")
def page(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    main(["report", str(runs / "one"), str(runs / "other"), f"--output={path}", "--sequences=6", "--device=cpu"])
    return path


def test_the_page_stands_alone(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text.replace("xlink:", ""))
    assert "url(http" not in text
    assert "@import" not in text
    assert len(re.findall('class="film"', text)) == 6 * 5  # truth, and forecast and difference of two runs
    assert len(re.findall(r'role="img"[^>]*aria-label="[^"]+"', text)) == len(re.findall('role="img"', text))
    for rank in ("best", "median", "worst"):
        assert text.count(f'<span class="rank {rank}">') == 2


def test_the_page_says_what_the_scores_say(page: Path, runs: Path) -> None:
    text = page.read_text()
    one, other = (Evaluation.load(runs / name / "scores") for name in ("one", "other"))
    assert one.protocol["fingerprint"] == other.protocol["fingerprint"]
    values = [float(value) for value in re.findall(r'data-value="([^"]+)"', text)]
    difference = one.value("model", "mse") - other.value("model", "mse")
    for value in (
        one.value("model", "mse"),
        other.value("model", "ssim"),
        one.value("persistence", "psnr"),
        difference,
    ):
        assert value in values
    assert ">one - other<" in text
    assert text.count('<th scope="row">persistence</th>') == 1  # both runs were compared with the same
    assert "learning_rate: 0.0003" in text


def test_stored_scores_are_used_while_the_weights_are_the_same(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs / "one", folder)
    main(["report", str(folder), "--device=cpu"])
    scores = folder / "scores.json"
    document = json.loads(scores.read_text())
    document["notes"] = ["these were read"]
    scores.write_text(json.dumps(document))
    main(["report", str(folder), "--device=cpu"])
    assert "these were read" in (folder / "report.html").read_text()
    weights = RunDirectory(folder).weights()
    save_file({name: weight + 0.01 for name, weight in weights.items()}, folder / "weights.safetensors")
    main(["report", str(folder), "--device=cpu"])
    assert "these were read" not in (folder / "report.html").read_text()


def test_scores_of_sequences_that_have_changed_are_not_used(tmp_path: Path) -> None:
    values = frames(40, 1, 1, 12, 12)[:, 0, 0].numpy()
    np.save(tmp_path / "all.npy", values)
    make_run(tmp_path / "run", DataSettings(str(tmp_path / "all.npy"), shares=(0.5, 0.2, 0.3)))
    write_report([tmp_path / "run"], tmp_path / "report.html", device="cpu")
    before = Evaluation.load(tmp_path / "run" / "scores").protocol
    np.save(tmp_path / "all.npy", values[::-1])
    write_report([tmp_path / "run"], tmp_path / "report.html", device="cpu")
    after = Evaluation.load(tmp_path / "run" / "scores").protocol
    assert before["fingerprint"] != after["fingerprint"]
    (tmp_path / "all.npy").unlink()  # as on a machine that has the run alone
    notes = write_report([tmp_path / "run"], tmp_path / "report.html", device="cpu")
    assert "its data cannot be read" in notes[0]
    assert "No sequence is shown: the data cannot be read." in notes
    assert "<article" not in (tmp_path / "report.html").read_text()
    assert "data-value" in (tmp_path / "report.html").read_text()


def test_names_that_are_no_plain_words(tmp_path: Path) -> None:
    for name in ("a$b$<i>'", "_x", "truth", "persistence"):
        make_run(tmp_path / name, digits())
    write_report(sorted(tmp_path.iterdir()), tmp_path / "report.html", sequences=1, device="cpu")
    text = (tmp_path / "report.html").read_text()
    assert "<i>'" not in text
    assert text.count('class="film"') == 1 + 2 * 4
    assert len(re.findall(r'<th scope="row">(?:<i[^>]*></i>)?persistence</th>', text)) == 1


def test_a_run_whose_forecasts_are_not_finite(runs: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "broken", digits())
    weights = RunDirectory(tmp_path / "broken").weights()
    save_file(
        {n: torch.full_like(w, torch.nan) for n, w in weights.items()}, tmp_path / "broken" / "weights.safetensors"
    )
    with (tmp_path / "broken" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 40, "train/')
    notes = write_report([runs / "one", tmp_path / "broken"], tmp_path / "report.html", device="cpu")
    assert "broken: a forecast of model is not finite: train it with a lower learning_rate." in notes


def test_what_cannot_be_compared_is_said(
    runs: Path, radar: DataSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "longer", digits(), horizon=4)
    make_run(tmp_path / "rain", radar)
    make_run(tmp_path / "untrained", digits())
    (tmp_path / "untrained" / "weights.safetensors").unlink()
    make_run(tmp_path / "no-test", DataSettings(radar.name, shares=(0.7, 0.3, 0.0)))
    output = tmp_path / "report.html"
    names = [runs / "one", tmp_path / "longer", tmp_path / "rain", tmp_path / "untrained", tmp_path / "no-test"]
    main(["report", *map(str, names), "--output", str(output), "--device=cpu"])
    said, text = capsys.readouterr().err, output.read_text()
    for sentence in (
        "untrained has no weights yet: go on with its training: train(settings, resume=True, out=",
        "no test sequence of 5 frames",
        "Not compared: one with longer, since their horizons and test sequences differ.",
        "Not compared: one with rain, since their normalisations and time steps and test sequences differ.",
        "rain is not among the forecasts: the frames of one: its units: 1; the model's: mm",
    ):
        assert sentence in said.replace(str(tmp_path) + "/", "")
        assert sentence.replace("'", "&#39;") in text.replace(str(tmp_path) + "/", "")
    assert "No true pixel reaches 2, 5, 10, 30 mm/h" in text
    assert "csi 30" in text[text.index("Not drawn, since there is nothing to count") :]
    assert text.count('<th scope="row">persistence</th>') == 3  # one for each that stands alone


def test_rain_has_radar_colours_and_a_legend(radar: DataSettings, tmp_path: Path) -> None:
    make_run(tmp_path / "rain", radar)
    write_report([tmp_path / "rain"], tmp_path / "report.html", sequences=3, device="cpu")
    text = (tmp_path / "report.html").read_text()
    assert text.count("<article") == 3
    assert "<figcaption>mm/h</figcaption>" in text
    assert "forecast - truth, mm/h" in text
    assert "forecast +10 min" not in text  # the slider says it when it moves
    assert "+10 min" in text
    assert "by its csi 0.5" in text
    assert "Thresholds of events are in mm/h" in text
    assert f"aspect-ratio: 28 / {24 - 4}" in text  # what is never known is not shown


def test_a_dry_test_split_shows_no_sequence_and_says_why(tmp_path: Path) -> None:
    values = np.zeros((40, 12, 12), np.float32)
    values[:15, 3:6, 3:6] = 5
    np.save(tmp_path / "dry.npy", values)
    make_run(tmp_path / "run", DataSettings(str(tmp_path / "dry.npy"), units="mm/h"))
    weights = RunDirectory(tmp_path / "run").weights()
    save_file(
        {name: torch.zeros_like(weight) for name, weight in weights.items()}, tmp_path / "run/weights.safetensors"
    )
    notes = write_report([tmp_path / "run"], tmp_path / "report.html", device="cpu")
    assert "No sequence is shown: the score that ranks them is undefined for all." in notes
    assert "<article" not in (tmp_path / "report.html").read_text()


def test_a_report_of_large_frames_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msrnn.report.page.LARGEST_BYTES", 1_500_000)
    np.save(tmp_path / "large.npy", frames(30, 1, 1, 400, 500)[:, 0, 0].numpy())
    make_run(tmp_path / "run", DataSettings(str(tmp_path / "large.npy"), shares=(0.4, 0.3, 0.3), guard=0))
    write_report([tmp_path / "run"], tmp_path / "report.html", sequences=2, device="cpu")
    assert (tmp_path / "report.html").stat().st_size <= 1_500_000


def test_bad_usage(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is no run directory" in refused(capsys, "report", tmp_path)
    assert "a report is called something.html" in refused(capsys, "report", runs / "one", "--output=report.pdf")
    assert "--sequences 0: at least 1" in refused(capsys, "report", runs / "one", "--sequences=0")
    assert "required: RUN" in refused(capsys, "report")
    make_run(tmp_path / "run", digits())
    (tmp_path / "run" / "weights.safetensors").unlink()
    assert "no run can be scored: run: " in refused(capsys, "report", tmp_path / "run")


def test_best_median_and_worst() -> None:
    protocol = {"ranked_by": ["mse", None, None]}
    sequences = [("", value) for value in (0.5, 0.1, np.nan, 0.9, 0.3, 0.7, 0.2)]
    evaluation = Evaluation(protocol, [], [], sequences=sequences)
    assert choose(evaluation, 3) == [("best", 1), ("median", 4), ("worst", 3)]
    assert choose(evaluation, 4) == [("best", 1), ("best", 6), ("median", 4), ("worst", 3)]
    evaluation.protocol["ranked_by"] = ["csi", 0.5, None]
    assert choose(evaluation, 3) == [("best", 3), ("median", 0), ("worst", 1)]
    assert [number for _, number in choose(evaluation, 20)] == [3, 5, 0, 4, 6, 1]


def test_colours() -> None:
    rates = np.array([[0, 0.09, 0.1, 0.5, 100, 400, np.nan]])
    expected = [(*RAIN.colours[place],) for place in (0, 0, 1, 2, 10, 10)] + [MISSING]
    assert RAIN.colour(rates)[0].tolist() == [list(colour) for colour in expected]
    assert GREY.colour(np.array([[0, 1, 2.0]]))[0].tolist() == [[0] * 3, [255] * 3, [255] * 3]
    for scale in (DIFFERENCE, RAIN_DIFFERENCE):
        cold, zero, warm = scale.colour(np.array([[-9.0, 0, 9]]))[0].astype(int)
        assert cold[2] > cold[0]
        assert warm[0] > warm[2]
        assert zero.max() < 30
    for scale in (GREY, DIFFERENCE, RAIN, RAIN_DIFFERENCE):
        assert len(scale.palette) <= 256
        assert len(scale.colours) == len(scale.bounds) + 1


def test_figures_for_a_notebook(runs: Path, tmp_path: Path, page: Path) -> None:
    evaluations = {name: Evaluation.load(runs / name / "scores") for name in ("one", "other")}
    figure = plot_scores(evaluations, "mse")
    assert isinstance(figure, Figure)
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines.keys() == {"one", "other", "persistence", "best constant image"}
    expected = [evaluations["other"].value("model", "mse", lead) for lead in (1, 2)]
    np.testing.assert_allclose(np.asarray(lines["other"].get_ydata()), expected)
    with pytest.raises(ValueError, match="one has no score"):
        plot_scores(evaluations, Score("csi", 0.5))
    training = plot_training({"one": [{"step": 1, "train/loss": 2.0}, {"step": 1, "validation/mse": 0.5}]})
    assert plot_training({"one": []}) is None
    strip = plot_frames({"truth": np.zeros((5, 8, 9)), "forecast": np.ones((5, 8, 9))}, context=3, columns=3)
    assert [axes.get_title() for axes in strip.axes[:3]] == ["given 1", "given 3", "+2"]
    for name, one in (("scores.png", figure), ("training.svg", training), ("strip.png", strip)):
        save_figure(one, tmp_path / name)
    with Image.open(tmp_path / "strip.png") as image:
        assert image.width > image.height


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser(page: Path, width: int) -> None:
    """No errors, the slider changes the picture, play plays, a click on a heading sorts."""
    from selenium import webdriver
    from selenium.webdriver.common.by import By

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    if width < 500:  # no window is narrower
        phone = {"deviceMetrics": {"width": width, "height": 800, "pixelRatio": 2.0}}
        options.add_experimental_option("mobileEmulation", phone)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        browser.get(page.as_uri())
        article = browser.find_element(By.CLASS_NAME, "sequence")
        film, slider = article.find_elements(By.CLASS_NAME, "film")[0], article.find_element(By.TAG_NAME, "input")
        said = article.find_element(By.TAG_NAME, "output")
        assert said.text == "forecast +1"
        pictures = {}
        for frame in (3, 4):
            browser.execute_script(
                "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", slider, frame
            )
            pictures[said.text] = film.screenshot_as_png
        assert set(pictures) == {"forecast +1", "forecast +2"}
        assert pictures["forecast +1"] != pictures["forecast +2"]
        assert film.value_of_css_property("background-position") == "0px 100%"
        play = article.find_element(By.CLASS_NAME, "play")
        browser.execute_script("arguments[0].click()", play)
        assert (play.text, said.text) == ("Pause", "given -2")  # from the start again
        assert str(play.get_attribute("aria-label")).startswith("Pause")
        browser.execute_script("arguments[0].click()", play)
        assert play.text == "Play"
        table = browser.find_element(By.CSS_SELECTOR, "table.sortable")
        heading = next(h for h in table.find_elements(By.CSS_SELECTOR, "th button") if h.text == "mse")

        def column() -> list[float]:
            return [
                float(str(cell.get_attribute("data-value")))
                for cell in table.find_elements(By.CSS_SELECTOR, "td:nth-child(2)")
            ]

        for order in (1, -1):
            browser.execute_script("arguments[0].click()", heading)
            assert column() == sorted(column(), reverse=order < 0)
            assert len(set(column())) > 2
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    finally:
        browser.quit()


def test_a_score_is_one_class_and_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: tuple[TablePlace, ...] = ("text", "report", "figures")
    monkeypatch.setitem(SCORES, "worst", ScoreInfo(WorstError, best=0.0, higher_is_better=False, shown=shown))
    make_run(tmp_path / "run", digits())
    write_report([tmp_path / "run"], tmp_path / "report.html", sequences=1, device="cpu")
    run, page = tmp_path / "run", (tmp_path / "report.html").read_text()
    table, scores = (run / "scores.txt").read_text(), (run / "scores.csv").read_text()
    assert "- WORST -" in table
    (line,) = (line.split() for line in table.splitlines() if line.startswith("worst "))
    assert len(line) == 5  # its name, the model's value, two baselines' and skill: too few sequences for an interval
    rows = [row for row in csv.DictReader(scores.splitlines()) if row["score"] == "worst"]
    assert {row["model"] for row in rows} >= {"model", "persistence"}
    assert {row["lead"] for row in rows} == {"1", "2", "all"}
    assert float(rows[0]["value"]) > 0
    assert page.count('<button type="button">worst</button>') == 2  # scores of models, and their differences
    assert "worst against lead time for run and baselines" in page
    assert "worst (lower is better)" in page
