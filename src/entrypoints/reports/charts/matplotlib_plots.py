"""Figures drawn by matplotlib; text stays text, and colours follow the page around a figure."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any, TypeAlias

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator

from entrypoints.reports.charts.figures import Curve, Dots, Map, ParetoFront
from entrypoints.reports.rendering import amount

MatplotlibFigure: TypeAlias = Curve | Dots | Map | ParetoFront

_INK, _SOFT, _STRONG, _WEAK, _MARK = "#1d2430", "#5b6675", "#2f6db5", "#a9b4c2", "#c2410c"
_GRID = "#e2e6eb"
_LINE = 0.34

# CSS variables of the page, by the colour in a file without style sheet.
_COLOURS = {
    _INK: "ink",
    _SOFT: "soft",
    _STRONG: "bar",
    _WEAK: "weak",
    _MARK: "mark",
    _GRID: "line",
}

# Models closer than this, in decades of cost and as a fraction of the height, share a label.
_NEAR_ACROSS, _NEAR_UP = 0.2, 0.04
_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "svg.hashsalt": "modelport",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _WEAK,
    "axes.labelcolor": _SOFT,
    "text.color": _INK,
    "xtick.color": _SOFT,
    "ytick.color": _INK,
    "axes.grid": True,
    "grid.color": _GRID,
    "axes.axisbelow": True,
}


def plot(figure: MatplotlibFigure) -> str:
    """Return a figure as an SVG element; the same figure gives the same SVG."""
    with rc_context(_STYLE):
        canvas = Canvas(figsize=_size(figure), layout="constrained")
        axes = canvas.add_subplot()
        axes.set_title(figure.title)
        _PLOTS[type(figure)](canvas, axes, figure)
        file = StringIO()
        canvas.savefig(file, format="svg", metadata=_METADATA, transparent=True)
    svg = file.getvalue()
    for colour, name in _COLOURS.items():
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    return svg[svg.index("<svg") :]


def _size(figure: MatplotlibFigure) -> tuple[float, float]:
    if isinstance(figure, Dots):
        return 6.2, max(2.2, 1.1 + _LINE * len(figure.rows))
    return (6.2, 5.6) if isinstance(figure, Map) else (6.2, 3.9)


def _dots(_: Canvas, axes: Axes, figure: Dots) -> None:
    positions = np.arange(len(figure.rows))
    colours = [_STRONG if dot.strong else _WEAK for dot in figure.rows]
    lows, highs = [dot.low for dot in figure.rows], [dot.high for dot in figure.rows]
    axes.hlines(positions, lows, highs, colors=colours, linewidth=3, alpha=0.5)
    axes.scatter([dot.value for dot in figure.rows], positions, c=colours, s=38, zorder=3)
    for position, dot in enumerate(figure.rows):
        axes.annotate(
            amount(dot.value),
            (max(dot.high, dot.value), position),
            (7, 0),
            textcoords="offset points",
            va="center",
            color=_SOFT,
        )
    axes.margins(x=0.14)
    axes.set_yticks(positions, [dot.label for dot in figure.rows])
    axes.set_ylim(len(figure.rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(figure.axis)
    axes.xaxis.set_major_formatter(_THOUSANDS)
    if figure.mark is not None:
        axes.axvline(figure.mark, color=_MARK, linewidth=1.2, linestyle="--")


def _curve(_: Canvas, axes: Axes, figure: Curve) -> None:
    axes.plot(
        figure.xs,
        figure.ys,
        color=_STRONG,
        marker="o",
        markersize=4.5,
        linewidth=1.8 if figure.joined else 0,
    )
    if figure.diagonal:
        ends = [min(*figure.xs, *figure.ys), max(*figure.xs, *figure.ys)]
        axes.plot(ends, ends, color=_MARK, linewidth=1.2, linestyle="--", zorder=1)
    _label_axes(axes, figure)
    axes.xaxis.set_major_formatter(_THOUSANDS)


def _front(_: Canvas, axes: Axes, figure: ParetoFront) -> None:
    best = sorted(
        (x, y) for x, y, on in zip(figure.xs, figure.ys, figure.on_front, strict=True) if on
    )
    axes.plot(*zip(*best, strict=True), color=_STRONG, linewidth=1.4, drawstyle="steps-post")
    colours = [_STRONG if on else _WEAK for on in figure.on_front]
    axes.scatter(figure.xs, figure.ys, c=colours, s=38, zorder=3)
    for label, x, y in _labelled(figure):
        axes.annotate(label, (x, y), (5, 6), textcoords="offset points", color=_INK, fontsize=9)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.margins(x=0.12, y=0.12)
    axes.xaxis.set_major_formatter(_THOUSANDS)
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    _label_axes(axes, figure)


def _labelled(figure: ParetoFront) -> Iterator[tuple[str, float, float]]:
    """Yield labels with their position; models close to each other share a label."""
    height = float(np.ptp(figure.ys)) or 1.0
    remaining = list(zip(figure.labels, figure.xs, figure.ys, strict=True))
    while remaining:
        label, x, y = remaining.pop(0)
        near = [
            other
            for other in remaining
            if abs(np.log10(other[1] / x)) < _NEAR_ACROSS and abs(other[2] - y) < _NEAR_UP * height
        ]
        remaining = [other for other in remaining if other not in near]
        yield ", ".join([label, *(other[0] for other in near)]), x, y


def _label_axes(axes: Axes, figure: Curve | ParetoFront) -> None:
    axes.set_xlabel(figure.x_axis)
    axes.set_ylabel(figure.y_axis)
    axes.yaxis.set_major_formatter(_THOUSANDS)


def _map(canvas: Canvas, axes: Axes, figure: Map) -> None:
    half = figure.size / 2
    corners = zip(figure.longitudes, figure.latitudes, strict=True)
    squares = [Rectangle((x - half, y - half), figure.size, figure.size) for x, y in corners]
    values = np.array(figure.values)
    extent = float(np.quantile(np.abs(values), 0.95)) or 1.0
    cells = PatchCollection(squares, cmap="RdBu_r", norm=CenteredNorm(0, extent), linewidth=0)
    cells.set_array(values)
    axes.add_collection(cells)
    axes.autoscale_view()
    middle = float(np.mean(figure.latitudes))
    axes.set_aspect(1 / max(np.cos(np.radians(middle)), 0.1))
    axes.set_xlabel("longitude (degrees)")
    axes.set_ylabel("latitude (degrees)")
    bar = canvas.colorbar(cells, ax=axes, shrink=0.7, extend="both", format=_THOUSANDS)
    bar.set_label(figure.axis)
    bar.outline.set_visible(False)


_THOUSANDS = FuncFormatter(
    lambda value, _: f"{value:,.0f}" if 10 <= abs(value) < 1e12 or not value else f"{value:g}"
)
_PLOTS: dict[type, Callable[[Canvas, Axes, Any], None]] = {
    Dots: _dots,
    Curve: _curve,
    ParetoFront: _front,
    Map: _map,
}
