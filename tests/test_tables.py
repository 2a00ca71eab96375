import io
import subprocess
import sys
from collections.abc import Iterator

import pytest

from msrnn.tables import BYTES, FLOPS, Column, Table, format_bytes, scale_of


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0.00 KiB"),
        (700, "0.68 KiB"),
        (720_000, "0.69 MiB"),
        (3.384 * 2**30, "3.38 GiB"),
        (15.23 * 2**30, "15.2 GiB"),
        (121.1 * 2**30, "121 GiB"),
        (5000 * 2**30, "5,000 GiB"),
    ],
)
def test_format_bytes(number: int, text: str) -> None:
    assert format_bytes(number) == text


def test_scale_of() -> None:
    assert scale_of(1e11, FLOPS)[0] == "TFLOP"
    assert scale_of(9e10, FLOPS)[0] == "GFLOP"
    assert scale_of(0, BYTES)[0] == "KiB"


def test_a_table_as_text_markdown_and_latex() -> None:
    rows = [["x", "1 \N{PLUS-MINUS SIGN} 2"], ["long name", "3 %"]]
    table = Table("scores_1", ["model", "a_b"], rows)
    assert table.text(80) == "scores_1\n\nmodel        a_b\nx          1 ± 2\nlong name    3 %\n"
    assert table.markdown() == "### scores_1\n\n| model | a_b |\n| --- | ---: |\n| x | 1 ± 2 |\n| long name | 3 % |\n"
    assert r"model & a\_b \\" in table.latex()
    assert r"x & 1 $\pm$ 2 \\" in table.latex()
    assert r"3 \%" in table.latex()


def test_a_table_wider_than_the_terminal_goes_on_below() -> None:
    table = Table("wide", ["model", "first", "second", "third"], [["x", "1", "22", "3"]])
    assert table.text(21) == "wide\n\nmodel  first  second\nx          1      22\n\nmodel  third\nx          3\n"
    assert table.text(20) == table.text(21)
    for columns in (3, 19):
        assert [len(line.split()) for line in table.text(columns).splitlines()][2:4] == [2, 2]
    assert table.text(27).count("model") == 1


def test_groups_of_columns_stay_together() -> None:
    columns: list[Column | str] = [
        "lead",
        *(Column(name, form=".1f", gap=1, group=group) for group in ("MSE", "SSIM") for name in "ab"),
    ]
    table = Table("", columns, [[1, 0.25, 1.0, 2, None]])
    assert table.text(80) == "      - MSE --   SSIM\nlead     a   b     a b\n1      0.2 1.0   2.0\n"
    for block in table.text(12).split("\n\n"):
        assert block.splitlines()[1].split() == ["lead", "a", "b"]
    assert table.markdown().splitlines()[0] == "| lead | MSE: a | MSE: b | SSIM: a | SSIM: b |"


def test_csv_holds_unformatted_values() -> None:
    stream = io.StringIO()
    Table("title", ["a", Column("b", form=".1f")], [["x", 0.25], ["y", None]]).write_csv(stream)
    assert stream.getvalue().splitlines() == ["a,b", "x,0.25", "y,"]
    stream = io.StringIO()
    Table.from_records([{"a": 1}, {"b": 2}]).write_csv(stream)
    assert stream.getvalue().splitlines() == ["a,b", "1,", ",2"]


def test_rows_are_printed_as_they_come() -> None:
    made: list[int] = []

    def rows() -> Iterator[list[int]]:
        for number in range(2):
            made.append(number)
            yield [number]

    lines = Table("", ["n"], rows()).markdown_lines()
    assert [next(lines), next(lines)] == ["| n |", "| --- |"]
    assert not made
    assert (next(lines), made) == ("| 0 |", [0])


def test_tables_need_the_standard_library_alone() -> None:
    code = "import sys, runpy; runpy.run_path(sys.argv[1]); assert not {'numpy', 'torch', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code, "src/msrnn/tables.py"], check=True)
