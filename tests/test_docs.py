"""What the README and the docs show runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from msrnn.cli.demonstration import demo_settings
from msrnn.experiment.plan import read_plan
from msrnn.settings import settings_from

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks_of(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def blocks(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, block in enumerate(blocks_of(page, language))
    ]


FROM_PYTHON = blocks_of(ROOT / "docs" / "python.md", "python")
"""Examples that go on from the first of them."""


@pytest.mark.filterwarnings("ignore:.*LeafSpec")  # Lightning 2.6 uses what torch 2.13 deprecates
@pytest.mark.filterwarnings("ignore:.*does not have many workers")  # Lightning's advice for data on disk
@pytest.mark.parametrize("block", blocks("python"))
def test_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: str) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for one in [FROM_PYTHON[0], block] if block in FROM_PYTHON[1:] else [block]:
        exec(compile(one, "documentation", "exec"), names)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_recipes(tmp_path: Path, block: str) -> None:
    document = yaml.safe_load(block)
    if "models" not in document:
        assert settings_from(document).model.name.startswith("ms-")
        return
    document["models"] = [model for model in document["models"] if "memory_of" not in model]  # needs the data
    if "path" in document["settings"]["data"]:
        document["settings"]["data"]["path"] = str(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    table = tmp_path / "experiments" / "table.yaml"
    table.parent.mkdir()
    table.write_text(yaml.safe_dump(document))
    assert read_plan(table, tmp_path).against


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def rows(table: str) -> list[dict[str, str]]:
    """By their headings."""
    headings, _, *cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [dict(zip(headings, line, strict=True)) for line in cells]


def test_differences_are_those_of_the_results() -> None:
    results = ROOT / "experiments" / "results"
    text = (ROOT / "docs" / "experiments.md").read_text()
    met = []
    for table in TABLE.finditer(text):
        shown = rows(table[0])
        if "models" not in shown[0]:
            continue
        link = re.compile(r"results/([\w-]+)/report\.md").search(text, table.end())
        assert link is not None
        name = link[1]
        *_, differences = map(rows, TABLE.findall((results / name / "table.md").read_text()))
        for row in differences:
            row["memory"] = row["memory, MiB"]
        assert shown == [{heading: row[heading] for heading in shown[0]} for row in differences], name
        met.append(name)
    assert sorted(met) == sorted(path.name for path in results.iterdir() if path.is_dir())


def test_the_recipe_for_digits_is_the_demo() -> None:
    recipe = settings_from(yaml.safe_load((ROOT / "recipes" / "digits.yaml").read_text()))
    assert recipe == demo_settings(minutes=4)
