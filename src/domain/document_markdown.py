"""A document as a page of Markdown, with its figures as files beside it."""

from collections.abc import Iterator, Sequence

from domain.document import Document, Section, Table


def to_markdown(document: Document, figures: str = "") -> str:
    """Return the page; `figures` is the folder of the figures, as seen from it.

    Charts are left out: the tables have their values.
    """
    return "\n".join(_lines(document, figures)).rstrip() + "\n"


def _lines(document: Document, figures: str) -> Iterator[str]:
    yield from [f"# {_text(document.title)}", ""]
    if document.warning:
        yield from [f"> **{_text(document.warning)}**", ""]
    for sentence in document.summary:
        yield from [_text(sentence), ""]
    for section in document.sections:
        yield from _section(section, figures)


def _section(section: Section, figures: str) -> Iterator[str]:
    yield from [f"## {_text(section.title)}", ""]
    for sentence in section.sentences:
        yield from [_text(sentence), ""]
    if section.points:
        yield from [*(f"- {_text(point)}" for point in section.points), ""]
    if section.command:
        yield from ["```sh", section.command, "```", ""]
    for table in section.tables:
        yield from [*_table(table), ""]
    for figure in section.figures:
        yield from [f"![{_text(figure.title)}]({figures}/{figure.name}.svg)", ""]


def _table(table: Table) -> Iterator[str]:
    yield _row(table.header)
    yield "|" + "|".join("---:" if figure else "---" for figure in table.figures) + "|"
    yield from map(_row, table.written)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _text(text: str) -> str:
    """Return a text in which nothing but code is Markdown or HTML: what is between backquotes."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return "\\`".join(map(_plain, parts))
    return "".join(f"`{part}`" if n % 2 else _plain(part) for n, part in enumerate(parts))


def _plain(text: str) -> str:
    for sign in "\\*_[]<>|":
        text = text.replace(sign, "&lt;" if sign == "<" else f"\\{sign}")
    return text
