"""A report as parts to be shown: sentences, tables and figures under headings."""

from dataclasses import dataclass
from typing import TypeAlias

from domain.figures import Figure

Cell: TypeAlias = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a header; there is a cell for each name of the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def figures(self) -> tuple[bool, ...]:
        """Which columns hold numbers only."""
        return tuple(
            bool(self.rows) and not any(isinstance(row[column], str) for row in self.rows)
            for column in range(len(self.header))
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: sentences, points, a command, then tables and figures."""

    title: str
    sentences: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    command: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A title, the answer in short, a warning if there is one, and the sections."""

    title: str
    summary: tuple[str, ...]
    warning: str
    sections: tuple[Section, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure, in order."""
        return tuple(figure for section in self.sections for figure in section.figures)


def written(cell: Cell) -> str:
    """Return a cell of a table as text; numbers of ten or more without a fraction."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 10 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else cell
