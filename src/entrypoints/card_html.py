"""A model card as one HTML page that needs nothing else: no script, no font, no address."""

from collections.abc import Iterator
from html import escape

from domain.card_markdown import written
from domain.model_card import Bar, Chart, ModelCard, Section, Table

_ROW, _LABELS, _BARS, _FIGURES = 24, 345, 270, 205

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --page: #f6f7f9; --card: #fff;
  --line: #e2e6eb; --bar: #3b73c8; --whisker: #14305c; --mark: #c2410c; --warn: #fff3e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b4; --page: #12161c;
  --card: #1a2029; --line: #2c3541; --bar: #5b93e6; --whisker: #dbe7fa; --mark: #fb923c;
  --warn: #3b2a12; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0 0 .75rem; }
h3 { font-size: .95rem; margin: 1.25rem 0 .4rem; color: var(--soft); font-weight: 600; }
.summary { font-size: 1.05rem; color: var(--soft); margin: 0 0 1.5rem; max-width: 46rem; }
.warning { background: var(--warn); border-left: 4px solid var(--mark); padding: .75rem 1rem;
  border-radius: 6px; font-weight: 600; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.25rem 1.5rem; margin: 1rem 0; }
p { margin: .4rem 0; max-width: 48rem; } ul { margin: .5rem 0; padding-left: 1.25rem; }
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
svg { display: block; max-width: 100%; height: auto; font-size: 12px; }
svg text { fill: var(--ink); } svg .soft { fill: var(--soft); }
.bar { fill: var(--bar); } .whisker { stroke: var(--whisker); stroke-width: 1.5; }
.mark { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 4 3; }
"""


def to_html(card: ModelCard) -> str:
    """Return the card as a page for light and dark screens."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: ModelCard) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(card.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>"
    yield f'<h1>{escape(card.title)}</h1>\n<p class="summary">{escape(card.summary)}</p>'
    if card.warning:
        yield f'<p class="warning">{escape(card.warning)}</p>'
    for section in card.sections:
        yield from _section(section)
    yield "</main>\n</body>\n</html>"


def _section(section: Section) -> Iterator[str]:
    yield f"<section>\n<h2>{escape(section.title)}</h2>"
    yield from (f"<p>{escape(sentence)}</p>" for sentence in section.sentences)
    if section.points:
        items = "".join(f"<li>{escape(point)}</li>" for point in section.points)
        yield f"<ul>{items}</ul>"
    if section.command:
        yield f"<pre>{escape(section.command)}</pre>"
    for chart in section.charts:
        yield from _chart(chart)
    if section.charts:
        yield "<details><summary>All figures</summary>"
    for table in section.tables:
        yield from _table(table)
    if section.charts:
        yield "</details>"
    yield "</section>"


def _table(table: Table) -> Iterator[str]:
    figures = {
        column
        for column in range(len(table.header))
        if table.rows and all(not isinstance(row[column], str) for row in table.rows)
    }
    yield '<div class="scroll"><table>'
    yield _row("th", table.header, figures)
    for row in table.rows:
        yield _row("td", [written(cell) for cell in row], figures)
    yield "</table></div>"


def _row(tag: str, cells: tuple[str, ...] | list[str], figures: set[int]) -> str:
    kinds = [' class="figure"' if column in figures else "" for column in range(len(cells))]
    inner = "".join(
        f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True)
    )
    return f"<tr>{inner}</tr>"


def _chart(chart: Chart) -> Iterator[str]:
    height, width = _ROW * len(chart.bars) + 4, _LABELS + _BARS + _FIGURES
    ends = [end for bar in chart.bars for end in (bar.value, bar.high) if end is not None]
    top = 1.0 if chart.percent else max([*ends, chart.mark or 0.0]) or 1.0
    yield f"<h3>{escape(chart.title)}</h3>"
    yield (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(chart.title)}">'
    )
    for number, bar in enumerate(chart.bars):
        yield from _bar(bar, _ROW * number, _BARS / top, chart)
    if chart.mark is not None:
        x = _LABELS + chart.mark * _BARS / top
        yield f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>'
    yield "</svg>"
    if chart.mark is not None:
        meaning = "what is promised" if chart.percent else "all rows"
        yield f"<p><small>Dashed: {_figure(chart.mark, chart)}, {meaning}.</small></p>"


def _bar(bar: Bar, y: int, scale: float, chart: Chart) -> Iterator[str]:
    middle = y + _ROW / 2
    figure = _figure(bar.value, chart)
    if bar.low is not None and bar.high is not None:
        figure += f" ({_figure(bar.low, chart)} to {_figure(bar.high, chart)})"
    label = bar.label if len(bar.label) <= 54 else f"{bar.label[:53]}…"
    yield f"<g><title>{escape(bar.label)}: {figure}</title>"
    yield f'<text class="soft" x="0" y="{middle + 4}">{escape(label)}</text>'
    yield (
        f'<rect class="bar" x="{_LABELS}" y="{y + 5}" rx="2" '
        f'width="{max(bar.value, 0) * scale:.1f}" height="{_ROW - 10}"/>'
    )
    if bar.low is not None and bar.high is not None:
        low, high = (_LABELS + max(end, 0) * scale for end in (bar.low, bar.high))
        yield f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
    yield f'<text x="{_LABELS + _BARS + 10}" y="{middle + 4}">{figure}</text></g>'


def _figure(value: float, chart: Chart) -> str:
    if chart.percent:
        return f"{value:.1%}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
