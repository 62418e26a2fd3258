"""The files of the experiments report: the page in two forms, its figures, and values for DVC."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from io import StringIO
from pathlib import Path

from domain.errors import Unavailable
from entrypoints.reports.charts.drawing import draw
from entrypoints.reports.experiments_page import ExperimentsPage, experiments_markdown
from entrypoints.reports.rendering import html_page


def write_report(page: ExperimentsPage, folder: Path) -> list[Path]:
    """Write every file of the report into a folder; return their paths, the pages first.

    Raises:
        Unavailable: a file cannot be written.
        InvalidData: a cell of a notebook fails; nothing is written then.
    """
    written = []
    for name, content in [*_files(page)]:
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        except OSError as error:
            raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
        written.append(path)
    return written


def _files(page: ExperimentsPage) -> Iterator[tuple[str, str | bytes]]:
    figures = {name: draw(figure) for name, figure in page.figures().items()}
    markdown, books = experiments_markdown(page), page.notebooks
    sections = [book.html for book in books]
    yield "report.html", html_page(markdown, figures, sections)
    yield "report.md", "\n".join([markdown, *(book.markdown for book in books)])
    yield "metrics.json", json.dumps(page.evidence.metrics(), indent=2) + "\n"
    results = page.evidence.results
    steps = [(s.name, s.rmse, s.low, s.high, s.row_us, s.size) for s in results.steps]
    yield "ladder.csv", _csv(("name", "rmse", "low", "high", "row_us", "size"), steps)
    curve, importance = results.examined.curve, results.examined.importance
    yield "learning.csv", _csv(("rows", "rmse"), [astuple(point) for point in curve])
    yield "importance.csv", _csv(("feature", "rise"), [astuple(each) for each in importance])
    yield from ((f"figures/{name}.svg", svg) for name, svg in figures.items())
    for book in books:
        yield from book.figures.items()


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    file = StringIO()
    csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    return file.getvalue()
