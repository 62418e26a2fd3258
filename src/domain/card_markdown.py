"""A model card as Markdown."""

from collections.abc import Iterator

from domain.model_card import Cell, ModelCard, Section, Table


def to_markdown(card: ModelCard) -> str:
    """Return the card as a page of Markdown; charts are left out, the tables have the figures."""
    return "\n".join(_lines(card)).rstrip() + "\n"


def _lines(card: ModelCard) -> Iterator[str]:
    yield from [f"# {_text(card.title)}", "", _text(card.summary), ""]
    if card.warning:
        yield from [f"> **{_text(card.warning)}**", ""]
    for section in card.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield from [f"## {_text(section.title)}", ""]
    for sentence in section.sentences:
        yield from [_text(sentence), ""]
    if section.points:
        yield from [f"- {_text(point)}" for point in section.points]
        yield ""
    if section.command:
        yield from ["```sh", section.command, "```", ""]
    for table in section.tables:
        yield from [*_table(table), ""]


def _table(table: Table) -> Iterator[str]:
    yield _row(table.header)
    figures = [
        all(not isinstance(row[column], str) for row in table.rows) and bool(table.rows)
        for column in range(len(table.header))
    ]
    yield "|" + "|".join("---:" if figure else "---" for figure in figures) + "|"
    for row in table.rows:
        yield _row([written(cell) for cell in row])


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(_text(cell) for cell in cells)} |"


def written(cell: Cell) -> str:
    """Return a cell of a table as text."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) >= 10 else f"{cell:.4f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _text(text: str) -> str:
    """Return a text in which nothing is Markdown or HTML by accident."""
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, "&lt;" if sign == "<" else f"\\{sign}")
    return " ".join(text.split())
