"""A document as a page of Markdown, with its figures as files beside it."""

import re
from collections.abc import Iterator, Sequence
from typing import assert_never

from domain.reports.document import (
    Code,
    Document,
    DocumentGrid,
    DocumentTable,
    Heading,
    Output,
    Paragraph,
    Part,
    Picture,
    Points,
    Section,
)


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
        yield from [_image(figures, figure.name, figure.title), ""]
    for part in section.parts:
        yield from [*_part(part, figures), ""]


def _part(part: Part, figures: str) -> Iterator[str]:
    match part:
        case Heading(text):
            yield f"### {_text(text)}"
        case Paragraph(text):
            yield _text(text)
        case Points(items):
            yield from (f"- {_text(item)}" for item in items)
        case Code(text):
            yield from ["<details><summary>Code</summary>", "", *_fenced(text, "python")]
            yield from ["", "</details>"]
        case Output(text):
            yield from _fenced(text, "text")
        case DocumentGrid():
            yield from _table(part)
        case Picture():
            yield _image(figures, part.name, part.title)
        case _:
            assert_never(part)


def _fenced(text: str, language: str) -> Iterator[str]:
    """Yield a block that nothing in the text can end."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    yield from [f"{fence}{language}", text, fence]


def _image(folder: str, name: str, title: str) -> str:
    return f"![{_text(title)}]({folder}/{name}.svg)"


def _table(table: DocumentTable) -> Iterator[str]:
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
