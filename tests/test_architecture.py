"""Names in the package: each public class has one of its own, and no two files are told apart by an ending alone."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "msrnn"
MODULES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
VAGUE = {"said", "told", "tell"}
ENDING = re.compile(r"(ations?|ions?|ings?|ers?|ors?|ments?|eds?|es|s|e)$")


DANGLING = re.compile(r"(Of|What|That|So many|By|As|When|Where|Which) ")


def definitions(*kinds: type[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]) -> Iterator[tuple[str, str]]:
    for name, module in MODULES.items():
        for node in ast.walk(module):
            if isinstance(node, kinds) and not node.name.startswith("_"):
                yield name, node.name


def stem(name: str) -> str:
    return ENDING.sub("", name)


def test_every_public_class_has_a_name_of_its_own() -> None:
    places = defaultdict(list)
    for module, name in definitions(ast.ClassDef):
        places[name].append(module)
    assert len(places) > 50
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_no_public_function_is_called_said_or_told() -> None:
    assert not [(module, name) for module, name in definitions(ast.FunctionDef, ast.AsyncFunctionDef) if name in VAGUE]


@pytest.mark.parametrize(("one", "other"), [("forecaster", "forecasting"), ("files", "file"), ("analyze", "analyzing")])
def test_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_no_two_neighbours_are_told_apart_by_an_ending_alone() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    for folder in folders:
        names = [path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
        alike = defaultdict(list)
        for name in names:
            alike[stem(name)].append(name)
        assert not {root: same for root, same in alike.items() if len(same) > 1}, folder


def test_docstrings_do_not_begin_in_mid_air() -> None:
    found = []
    for name, module in MODULES.items():
        texts = [node.value for node in ast.walk(module) if isinstance(node, ast.Expr)]
        docs = [text.value for text in texts if isinstance(text, ast.Constant) and isinstance(text.value, str)]
        found += [(name, doc) for doc in docs if DANGLING.match(doc)]
    assert not found
