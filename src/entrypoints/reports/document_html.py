"""A document as one HTML page that needs nothing else: no script, no font, no address."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from html import escape
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
from domain.reports.figures import Figure
from entrypoints.reports.chart_svg import draw

_CODE = re.compile("`([^`]+)`")

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --page: #f6f7f9; --card: #fff;
  --line: #e2e6eb; --bar: #3b73c8; --whisker: #14305c; --mark: #c2410c; --warn: #fff3e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b4; --page: #12161c;
  --card: #1a2029; --line: #2c3541; --bar: #5b93e6; --whisker: #dbe7fa; --mark: #fb923c;
  --warn: #3b2a12; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0 0 .75rem; }
h3 { font-size: .95rem; margin: 1.25rem 0 .4rem; color: var(--soft); font-weight: 600; }
.summary { font-size: 1.05rem; margin: 0 0 1.5rem; }
.warning { background: var(--warn); border-left: 4px solid var(--mark); padding: .75rem 1rem;
  border-radius: 6px; font-weight: 600; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.25rem 1.5rem; margin: 1rem 0; }
p { margin: .4rem 0; max-width: 50rem; overflow-wrap: anywhere; }
ul { margin: .5rem 0; padding-left: 1.25rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .75rem 0; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; padding-right: 1.25rem; }
th { color: var(--soft); font-weight: 600; }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { background: var(--page); border: 1px solid var(--line); border-radius: 6px;
  padding: .75rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
details { margin: .75rem 0; } summary { cursor: pointer; color: var(--soft); }
code { font-size: .9em; background: var(--page); border-radius: 4px; padding: .05em .3em; }
svg { display: block; max-width: 100%; height: auto; }
.figures { display: grid; gap: 1.25rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(25rem, 100%), 1fr)); }
figure { margin: 0; background: #fff; }
.picture { width: fit-content; max-width: 100%; margin: .75rem 0; }
.picture img { display: block; max-width: 100%; height: auto; }
.chart { font-size: 12px; } .chart text { fill: var(--ink); } .chart .soft { fill: var(--soft); }
.bar { fill: var(--bar); } .whisker { stroke: var(--whisker); stroke-width: 1.5; }
.mark { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 4 3; }
"""


def to_html(document: Document, drawn: Mapping[str, str] | None = None) -> str:
    """Return the page for light and dark screens; `drawn` is each figure as SVG, by its name."""
    return "\n".join(_lines(document, drawn or {})) + "\n"


def _lines(document: Document, drawn: Mapping[str, str]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    title = escape(document.title)
    yield f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>"
    yield f"<h1>{title}</h1>"
    if document.warning:
        yield f'<p class="warning">{_prose(document.warning)}</p>'
    answer = "".join(f"<p>{_prose(sentence)}</p>" for sentence in document.summary)
    yield f'<div class="summary">{answer}</div>'
    for section in document.sections:
        yield from _section(section, drawn)
    yield "</main>\n</body>\n</html>"


def _section(section: Section, drawn: Mapping[str, str]) -> Iterator[str]:
    yield f"<section>\n<h2>{escape(section.title)}</h2>"
    yield from (f"<p>{_prose(sentence)}</p>" for sentence in section.sentences)
    if section.points:
        yield _points(section.points)
    if section.command:
        yield f"<pre>{escape(section.command)}</pre>"
    for chart in section.charts:
        yield from draw(chart)
    if section.charts:
        yield "<details><summary>All figures</summary>"
    yield from map(_table, section.tables)
    if section.charts:
        yield "</details>"
    if section.figures:
        figures = "".join(_figure(figure, drawn[figure.name]) for figure in section.figures)
        yield f'<div class="figures">{figures}</div>'
    for part in section.parts:
        yield from _part(part)
    yield "</section>"


def _part(part: Part) -> Iterator[str]:
    match part:
        case Heading(text):
            yield f"<h3>{_prose(text)}</h3>"
        case Paragraph(text):
            yield f"<p>{_prose(text)}</p>"
        case Points(items):
            yield _points(items)
        case Code(text):
            yield f"<details><summary>Code</summary><pre>{escape(text)}</pre></details>"
        case Output(text):
            yield f"<pre>{escape(text)}</pre>"
        case DocumentGrid():
            yield _table(part)
        case Picture():
            yield _picture(part)
        case _:
            assert_never(part)


def _picture(picture: Picture) -> str:
    """Return an image of its own: its ids clash with nobody's, and what it holds is not run."""
    content = b64encode(picture.svg.encode()).decode()
    address = f"data:image/svg+xml;base64,{content}"
    return f'<figure class="picture"><img alt="{escape(picture.title)}" src="{address}"></figure>'


def _points(points: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_prose(point)}</li>' for point in points)}</ul>"


def _prose(text: str) -> str:
    """Return a text in which what stands between backquotes is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _table(table: DocumentTable) -> str:
    kinds = [' class="figure"' if figure else "" for figure in table.figures]
    head = "".join(
        f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, table.header, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in table.written
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'


def _figure(figure: Figure, svg: str) -> str:
    return f'<figure role="img" aria-label="{escape(figure.title)}">{svg}</figure>'
