"""A document as parts to be shown: sentences, tables and figures under headings.

Model cards and reports are documents; how the parts look is the business of whoever shows them.
What is between backquotes in a text is code.
"""

from dataclasses import dataclass
from typing import TypeAlias

from domain.reports.figures import Figure

Cell: TypeAlias = str | int | float | None


@dataclass(frozen=True, slots=True)
class DocumentTable:
    """Rows of cells under a header, a cell for each name of it; `precise` asks for decimals."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    precise: bool = False

    @property
    def figures(self) -> tuple[bool, ...]:
        """Which columns hold numbers only."""
        return tuple(
            bool(self.rows) and not any(isinstance(row[column], str) for row in self.rows)
            for column in range(len(self.header))
        )

    @property
    def written(self) -> tuple[tuple[str, ...], ...]:
        """The rows as text."""
        return tuple(tuple(written(cell, self.precise) for cell in row) for row in self.rows)


@dataclass(frozen=True, slots=True)
class DocumentGrid(DocumentTable):
    """A table of texts as they are; a column of figures is one whose texts are numbers."""

    @property
    def figures(self) -> tuple[bool, ...]:
        """Which columns hold numbers only."""
        return tuple(
            bool(self.rows) and all(_is_number(str(row[column])) for row in self.rows)
            for column in range(len(self.header))
        )


@dataclass(frozen=True, slots=True)
class Heading:
    """What a few parts are about."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Prose."""

    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of a program, for those who want to look."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """What a program has printed, line by line."""

    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing that is there already, as a whole SVG document."""

    title: str
    svg: str
    name: str = ""


Part: TypeAlias = Heading | Paragraph | Points | Code | Output | DocumentGrid | Picture


@dataclass(frozen=True, slots=True)
class Bar:
    """A value to be drawn, with the interval in which it may lie, if that is known."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of one unit; `mark` is a value to compare them with, `percent` says they are shares.

    Unlike a figure it needs no plotter: a page draws it itself, and folds the tables under it.
    """

    title: str
    bars: tuple[Bar, ...]
    mark: float | None = None
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document: sentences, points, a command, then charts, tables and figures.

    `parts` come last, in the order they are in.
    """

    title: str
    sentences: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[DocumentTable, ...] = ()
    figures: tuple[Figure, ...] = ()
    command: str = ""
    charts: tuple[Chart, ...] = ()
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A title, what matters in short, a warning if there is one, and the sections."""

    title: str
    summary: tuple[str, ...]
    warning: str
    sections: tuple[Section, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure, in order."""
        return tuple(figure for section in self.sections for figure in section.figures)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Every picture, in order."""
        parts = (part for section in self.sections for part in section.parts)
        return tuple(part for part in parts if isinstance(part, Picture))


def written(cell: Cell, precise: bool = False) -> str:
    """Return a cell as text; unless `precise`, numbers of ten or more without a fraction."""
    if cell is None:
        return ""
    if isinstance(cell, float) and precise:
        return f"{cell:,.2f}" if abs(cell) >= 10 else f"{cell:.4f}"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 10 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
