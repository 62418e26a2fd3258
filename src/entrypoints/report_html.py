"""A report as one HTML page that needs nothing else: no script, no font, no address."""

import re
from collections.abc import Iterator, Mapping
from html import escape

from domain.figures import Figure
from domain.report import Report, Section, Table, written

_CODE = re.compile("`([^`]+)`")

_STYLE = """
:root { color-scheme: light; --ink: #1d2430; --soft: #5b6675; --page: #f6f7f9; --line: #e2e6eb;
  --accent: #2f6db5; --warn: #c2410c; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 1rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 0 0 .75rem; }
.summary p { font-size: 1.08rem; margin: .35rem 0; max-width: 50rem; }
.warning { background: #fff3e0; border-left: 4px solid var(--warn); padding: .75rem 1rem;
  border-radius: 6px; font-weight: 600; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 1.25rem 1.5rem; margin: 1.25rem 0; }
section p { margin: .4rem 0; max-width: 50rem; }
ul { margin: .5rem 0; padding-left: 1.25rem; }
li { margin: .25rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .75rem 0; font-size: .9rem; }
th, td { text-align: left; padding: .35rem 1rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
td:first-child { font-weight: 600; white-space: nowrap; }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { background: var(--page); border: 1px solid var(--line); border-radius: 6px;
  padding: .75rem 1rem; white-space: pre-wrap; font-size: .85rem; }
code { font-size: .9em; background: #eef1f4; border-radius: 4px; padding: .05em .3em; }
figure { margin: 1rem 0 0; }
figure svg { display: block; max-width: 100%; height: auto; }
.figures { display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fit, minmax(25rem, 1fr)); }
"""


def to_html(report: Report, drawn: Mapping[str, str]) -> str:
    """Return the page; `drawn` is each figure as SVG, by its name."""
    return "\n".join(_lines(report, drawn)) + "\n"


def _lines(report: Report, drawn: Mapping[str, str]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(report.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>"
    yield f"<h1>{escape(report.title)}</h1>"
    if report.warning:
        yield f'<p class="warning">{_prose(report.warning)}</p>'
    answer = "".join(f"<p>{_prose(sentence)}</p>" for sentence in report.summary)
    yield f'<div class="summary">{answer}</div>'
    for section in report.sections:
        yield from _section(section, drawn)
    yield "</main>\n</body>\n</html>"


def _section(section: Section, drawn: Mapping[str, str]) -> Iterator[str]:
    yield f"<section>\n<h2>{escape(section.title)}</h2>"
    yield from (f"<p>{_prose(sentence)}</p>" for sentence in section.sentences)
    if section.points:
        yield f"<ul>{''.join(f'<li>{_prose(point)}</li>' for point in section.points)}</ul>"
    if section.command:
        yield f"<pre>{escape(section.command)}</pre>"
    yield from map(_table, section.tables)
    if section.figures:
        figures = "".join(_figure(figure, drawn[figure.name]) for figure in section.figures)
        yield f'<div class="figures">{figures}</div>'
    yield "</section>"


def _prose(text: str) -> str:
    """Return a text in which what stands between backquotes is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _table(table: Table) -> str:
    kinds = [' class="figure"' if figure else "" for figure in table.figures]
    head = "".join(
        f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, table.header, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{escape(written(cell))}</td>" for kind, cell in zip(kinds, row, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'


def _figure(figure: Figure, svg: str) -> str:
    return f'<figure role="img" aria-label="{escape(figure.title)}">{svg}</figure>'
