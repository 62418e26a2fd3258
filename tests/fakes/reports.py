from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from domain.errors import (
    InvalidData,
    NotFound,
)
from domain.reports.document import Code, Output, Paragraph, Part
from domain.reports.notebook import Notebook


class MemoryNotebooks:
    """A `Notebooks` whose folders hold cells as (kind, source): "markdown" or "code".

    Of prose it knows headings of the first level; of what code shows, what it prints.
    """

    def __init__(self) -> None:
        self.folders: dict[str, dict[str, Sequence[tuple[str, str]]]] = {}

    def run(self, folder: str) -> list[Notebook]:
        books = self.folders.get(folder)
        if not books:
            raise NotFound(f"{folder}: there are no notebooks")
        return [_ran(folder, name, books[name]) for name in sorted(books)]


def _ran(folder: str, name: str, cells: Sequence[tuple[str, str]]) -> Notebook:
    title, known = name.removesuffix(".ipynb"), dict[str, Any]()
    parts: list[Part] = []
    for number, (kind, source) in enumerate(cells, 1):
        if kind == "markdown" and source.startswith("# ") and not parts:
            title = source.removeprefix("# ")
        elif kind == "markdown":
            parts.append(Paragraph(source))
        else:
            try:
                with redirect_stdout(StringIO()) as printed:
                    exec(source, known)
            except Exception as error:
                where = f"{folder}/{name}, cell {number} of {len(cells)}"
                raise InvalidData(f"{where} fails: {type(error).__name__}: {error}") from error
            text = printed.getvalue().rstrip()
            parts += [Code(source), Output(text)] if text else [Code(source)]
    return Notebook(name, title, tuple(parts))
