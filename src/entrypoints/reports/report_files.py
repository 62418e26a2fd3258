"""The files of a report: a page for people in two forms, and figures for programs."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from application.experiments.report_experiments import Drawn, figures_of
from domain.errors import Unavailable
from domain.reports.document_markdown import to_markdown
from entrypoints.reports.document_html import to_html

_FIGURES = "figures"


def write_report(drawn: Drawn, folder: Path) -> list[Path]:
    """Write every file of a report into a folder; return their paths, the pages first.

    Raises:
        Unavailable: one of them cannot be written.
    """
    written = []
    for name, text in _files(drawn):
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
        written.append(path)
    return written


def _files(drawn: Drawn) -> Iterator[tuple[str, str]]:
    yield "report.html", to_html(drawn.report, drawn.figures)
    yield "report.md", to_markdown(drawn.report, _FIGURES)
    yield "metrics.json", json.dumps(figures_of(drawn.evidence), indent=2) + "\n"
    results = drawn.evidence.results
    yield "ladder.csv", _csv(results["steps"], ("name", "rmse", "low", "high", "row_us", "size"))
    yield "learning.csv", _csv(results["examined"]["curve"], ("rows", "rmse"))
    yield "importance.csv", _csv(results["examined"]["importance"], ("feature", "rise"))
    for name, svg in drawn.figures.items():
        yield f"{_FIGURES}/{name}.svg", svg
    for picture in drawn.report.pictures:
        yield f"{_FIGURES}/{picture.name}.svg", picture.svg


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[column] for column in columns] for row in rows)
    return file.getvalue()
