"""Figures as matplotlib draws them: whole SVG, readable text, the same every time."""

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from adapters.matplotlib.plotter import MatplotlibPlotter
from domain.reports.figures import Bars, Curve, Dots, Figure, Map, ParetoFront

LABELS = ("<1H OCEAN & more", "costs $5 or $6", "räume")
THREE = (1.0, 20_000.0, 3.0)
FIGURES: dict[str, Figure] = {
    "dots": Dots("d", "Dots", "RMSE", LABELS, THREE, THREE, THREE, (True, False, True), 2.0),
    "bars": Bars("b", "Bars", "RMSE", LABELS, THREE, 2.0),
    "percent": Bars("p", "Shares", "share", LABELS, (0.9, 0.95, 0.85), 0.9, percent=True),
    "curve": Curve("c", "Curve", "rows", "RMSE", THREE, THREE),
    "diagonal": Curve("g", "Diagonal", "true", "RMSE", THREE, THREE, diagonal=True, joined=False),
    "front": ParetoFront(
        "f", "ParetoFront", "µs", "RMSE", LABELS, THREE, THREE, (True, False, True)
    ),
    "map": Map("m", "Map", "error", (1.0, 2.0), (3.0, 4.0), (-5.0, 7.0), 0.5),
    "one cell": Map("o", "Cell", "error", (1.0,), (3.0,), (0.0,), 1.0),
    "one step": ParetoFront("s", "Step", "µs", "RMSE", ("a",), (1.0,), (2.0,), (True,)),
}


@pytest.mark.parametrize("kind", FIGURES)
def test_a_figure_is_drawn_as_svg_with_its_words(kind: str) -> None:
    figure = FIGURES[kind]
    words = _words(figure)
    assert figure.title in words
    if isinstance(figure, Dots | Bars) or kind == "front":
        assert {*LABELS} <= {*words}


@pytest.mark.parametrize("kind", FIGURES)
def test_the_same_figure_is_the_same_svg(kind: str) -> None:
    plotter = MatplotlibPlotter()
    assert plotter.draw(FIGURES[kind]) == plotter.draw(FIGURES[kind])


def test_what_is_drawn_depends_on_the_values() -> None:
    plotter, bars = MatplotlibPlotter(), FIGURES["bars"]
    assert isinstance(bars, Bars)
    assert plotter.draw(bars) != plotter.draw(replace(bars, values=(3.0, 2.0, 1.0)))


def test_shares_are_marked_at_the_shares_that_the_marks_name() -> None:
    narrow = Bars("p", "Shares", "share", ("a", "b"), (0.885, 0.925), 0.9, percent=True)
    marks = [float(word[:-1]) for word in _words(narrow) if word.endswith("%")]
    steps = {round(after - before) for before, after in pairwise(marks)}
    assert len(marks) > 2
    assert steps in ({1}, {2}, {5})


def test_models_whose_labels_would_lie_on_each_other_share_one() -> None:
    close = ParetoFront(
        "f", "F", "µs", "RMSE", ("a", "b", "c"), (310.0, 357.0, 27.0), (1.0, 1.1, 50.0), (True,) * 3
    )
    assert {"a, b", "c"} <= {*_words(close)}


def _words(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(MatplotlibPlotter().draw(figure))
    assert root.tag.endswith("svg")
    return ["".join(element.itertext()).strip() for element in root.iter() if _is_text(element)]


def _is_text(element: ElementTree.Element) -> bool:
    return element.tag.endswith("text")
