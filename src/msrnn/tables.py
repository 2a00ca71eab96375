"""Tables and numbers that people read: one `Table` for terminals, Markdown, LaTeX and CSV.

Needs the standard library alone, since everything above imports it.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, TextIO

DisplayUnit = tuple[str, float]
"""A unit's name, and the number that a quantity is divided by to be shown in it."""
BYTES: tuple[DisplayUnit, ...] = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10))
FLOPS: tuple[DisplayUnit, ...] = (("TFLOP", 1e12), ("GFLOP", 1e9), ("MFLOP", 1e6))
TEX = str.maketrans({"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "\N{PLUS-MINUS SIGN}": r"$\pm$"})


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: the heading.
        align: "<" left, "^" centred or ">" right.
        form: writes a number: a format specification such as ".3f", or a function. Text stands as it is, None as
            nothing.
        width: least width in characters on a terminal; longer cells widen the column.
        gap: spaces before the column on a terminal.
        group: heading above neighbouring columns that have the same one.
    """

    name: str
    align: Literal["<", "^", ">"] = ">"
    form: str | Callable[[Any], str] = ""
    width: int = 0
    gap: int = 2
    group: str = ""

    def cell(self, value: object) -> str:
        """Write one value."""
        if value is None or isinstance(value, str):
            return value or ""
        return format(value, self.form) if isinstance(self.form, str) else self.form(value)


class Table:
    """Rows under headings. The first column names the rows.

    Args:
        title: a line above the table; "" for none.
        columns: columns, or their headings: the first is then aligned left, the others right.
        rows: values, as many in each row as there are columns. `markdown_lines` takes them one by one, so they may be
            computed while the table is printed.
    """

    def __init__(self, title: str, columns: Sequence[Column | str], rows: Iterable[Sequence[object]]) -> None:
        self.title = title
        self.columns = [
            column if isinstance(column, Column) else Column(column, align="<" if number == 0 else ">")
            for number, column in enumerate(columns)
        ]
        self.rows = rows

    @classmethod
    def from_records(cls, records: Sequence[Mapping[str, object]]) -> "Table":
        """A column for every key, in the order of their first appearance; empty cells where a record lacks one."""
        names = list(dict.fromkeys(name for record in records for name in record))
        return cls("", names, [[record.get(name) for name in names] for record in records])

    def _cells(self, row: Sequence[object]) -> list[str]:
        return [column.cell(value) for column, value in zip(self.columns, row, strict=True)]

    def text(self, width: int = 80) -> str:
        """Write the table for a terminal of `width` characters.

        What does not fit goes below, beside the first column again. A group of columns stays together.
        """
        rows = [self._cells(row) for row in self.rows]
        widths = [
            max([column.width, len(column.name), *(len(row[place]) for row in rows)])
            for place, column in enumerate(self.columns)
        ]
        groups = [list(places) for _, places in groupby(range(1, len(self.columns)), key=self._group_of)]
        for group in groups:
            name = self.columns[group[0]].group
            if name:  # with a rule on either side
                widths[group[0]] += max(0, len(name) + 2 - self._width(group, widths))
        blocks: list[list[list[int]]] = []
        left = 0
        for group in groups:
            needed = self._width(group, widths) + 2 * bool(self.columns[group[0]].group)
            if not blocks or needed > left:
                blocks.append([])
                left = width - widths[0]
            blocks[-1].append(group)
            left -= needed
        texts = (self._block(block, rows, widths) for block in blocks or [[]])
        return "\n\n".join((*[self.title] * bool(self.title), *texts)) + "\n"

    def _group_of(self, place: int) -> tuple[str, int]:
        """Columns with the same key stay together."""
        group = self.columns[place].group
        return (group, 0) if group else ("", place)

    def _width(self, places: Sequence[int], widths: Sequence[int]) -> int:
        return sum(self.columns[place].gap + widths[place] for place in places)

    def _block(self, groups: Sequence[Sequence[int]], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
        lines = []
        if any(self.columns[group[0]].group for group in groups):
            above = " " * widths[0]
            for group in groups:
                name, room = self.columns[group[0]].group, self._width(group, widths)
                above += f"  {f' {name} ':-^{room}}" if name else " " * room
            lines.append(above.rstrip())
        for row in ([column.name for column in self.columns], *rows):
            line = f"{row[0]:{self.columns[0].align}{widths[0]}}"
            for group in groups:
                line += "  " * bool(self.columns[group[0]].group)
                for place in group:
                    column = self.columns[place]
                    line += " " * column.gap + f"{row[place]:{column.align}{widths[place]}}"
            lines.append(line.rstrip())
        return "\n".join(lines)

    def _headings(self) -> list[str]:
        """Each column's heading, with its group's."""
        return [f"{column.group}: {column.name}" if column.group else column.name for column in self.columns]

    def markdown_lines(self) -> Iterator[str]:
        """Yield the lines of the Markdown table, without its title; each row as soon as it is computed."""
        rules = {"<": "---", "^": ":---:", ">": "---:"}
        yield f"| {' | '.join(self._headings())} |"
        yield f"| {' | '.join(rules[column.align] for column in self.columns)} |"
        for row in self.rows:
            yield f"| {' | '.join(self._cells(row))} |"

    def markdown(self) -> str:
        """Write the table as GitHub's Markdown, the title as a heading of the third level."""
        title = (f"### {self.title}", "") if self.title else ()
        return "\n".join((*title, *self.markdown_lines(), ""))

    def latex(self) -> str:
        """Write the table as LaTeX that needs the package booktabs."""
        head, *rows = (
            " & ".join(cell.translate(TEX) for cell in row) + r" \\"
            for row in (self._headings(), *map(self._cells, self.rows))
        )
        columns = "".join({"<": "l", "^": "c", ">": "r"}[column.align] for column in self.columns)
        title = [f"% {self.title}"] if self.title else []
        lines = [*title, rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *rows]
        return "\n".join((*lines, r"\bottomrule", r"\end{tabular}", ""))

    def write_csv(self, stream: TextIO) -> None:
        """Write headings and unformatted values; open the file with `newline=""`."""
        writer = csv.writer(stream)
        writer.writerow(self._headings())
        writer.writerows(self.rows)


def scale_of(largest: float, scales: tuple[DisplayUnit, ...]) -> DisplayUnit:
    """Choose the unit in which the largest of some numbers is at least 0.1; `scales` go from large to small."""
    return next((scale for scale in scales if largest >= 0.1 * scale[1]), scales[-1])


def format_bytes(number: float) -> str:
    """Write bytes with their unit and about three digits: 3.38 GiB, 12.5 MiB, 512 KiB."""
    unit, divisor = scale_of(number, BYTES)
    value = number / divisor
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} {unit}"
