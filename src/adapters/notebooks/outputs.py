"""What a cell has shown, in the richest form that a page without scripts can take."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from domain.reports.document import DocumentGrid, Output, Part, Picture

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def shown(output: Any, about: str) -> Iterator[Part]:
    """Yield what an output of a cell shows: a picture, a table, or else text."""
    if output.output_type == "stream":
        yield from _text(output.text)
    elif output.output_type == "error":
        yield from _text(f"{output.ename}: {output.evalue}")
    elif "image/svg+xml" in output.data:
        yield Picture(about, output.data["image/svg+xml"])
    else:
        table = _table(output.data.get("text/html", ""))
        yield from [table] if table else _text(output.data.get("text/plain", ""))


def _text(text: str) -> Iterator[Part]:
    plain = _COLOURS.sub("", text).rstrip()
    if plain:
        yield Output(plain)


def _table(html: str) -> DocumentGrid | None:
    """Return the only table there is in a piece of HTML, if every row has all of its cells."""
    reader = _Tables()
    reader.feed(html)
    reader.close()
    rows = [tuple(" ".join(cell.split()) for cell in row) for row in reader.rows]
    if reader.tables != 1 or len({len(row) for row in rows}) != 1:
        return None
    return DocumentGrid(rows[0], tuple(rows[1:]))


class _Tables(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables = 0
        self.rows: list[list[str]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag == "table":
            self.tables += 1
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td") and self.rows:
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data
