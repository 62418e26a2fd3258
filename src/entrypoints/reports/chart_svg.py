"""Bar charts as SVG in a page of HTML, in the colours of that page."""

from collections.abc import Iterator
from html import escape

from domain.reports.document import Bar, Chart

_ROW, _LABELS, _BARS, _FIGURES = 24, 345, 270, 205


def draw(chart: Chart) -> Iterator[str]:
    """Yield the lines of a chart: a heading, the drawing, and what its mark means."""
    height, width = _ROW * len(chart.bars) + 4, _LABELS + _BARS + _FIGURES
    ends = [end for bar in chart.bars for end in (bar.value, bar.high) if end is not None]
    top = 1.0 if chart.percent else max([*ends, chart.mark or 0.0]) or 1.0
    yield f"<h3>{escape(chart.title)}</h3>"
    yield (
        f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(chart.title)}">'
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
