"""Draws bars by a template, so that a model card needs no matplotlib; other figures by it."""

from entrypoints.reports.charts.figures import Bars, Figure
from entrypoints.reports.rendering import render


def draw(figure: Figure) -> str:
    """Return a figure as an SVG element, for a page or a file."""
    if isinstance(figure, Bars):
        return render("bars.svg.j2", bars=figure)
    from entrypoints.reports.charts.matplotlib_plots import plot

    return plot(figure)
