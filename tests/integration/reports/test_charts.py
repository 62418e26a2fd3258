"""Charts are whole SVG images with readable text, the same every time."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from entrypoints.reports.charts.drawing import draw
from entrypoints.reports.charts.figures import (
    Bar,
    Bars,
    Curve,
    Dot,
    Dots,
    Figure,
    Map,
    ParetoFront,
)

LABELS = ("<1H OCEAN & more", "costs $5 or $6", "räume")
THREE = (1.0, 20_000.0, 3.0)
DOTS = tuple(Dot(label, x, x, x) for label, x in zip(LABELS, THREE, strict=True))
BARS = tuple(Bar(label, x, x / 2, x * 2) for label, x in zip(LABELS, THREE, strict=True))
SHARES = tuple(Bar(label, x) for label, x in zip(LABELS, (0.9, 0.95, 0.85), strict=True))
FIGURES: dict[str, Figure] = {
    "dots": Dots("d", "Dots", "RMSE", DOTS, 2.0),
    "bars": Bars("b", "Bars", BARS, 2.0, "all rows"),
    "percent": Bars("p", "Shares", SHARES, 0.9, "the level", percent=True),
    "no mark": Bars("n", "Rise", (Bar("a", -1.0), Bar("b", 0.0))),
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
    words = _words(FIGURES[kind])
    assert FIGURES[kind].title in words
    if kind in ("dots", "bars", "percent", "front"):
        assert {*LABELS} <= {*words}


@pytest.mark.parametrize("kind", FIGURES)
def test_the_same_figure_is_the_same_svg(kind: str) -> None:
    assert draw(FIGURES[kind]) == draw(FIGURES[kind])


@pytest.mark.parametrize("kind", ["dots", "bars"])
def test_colours_follow_the_page_and_have_a_value_of_their_own(kind: str) -> None:
    svg = draw(FIGURES[kind])
    assert "var(--ink, #1d2430)" in svg
    assert "var(--bar, #" in svg


def test_what_is_drawn_depends_on_the_values() -> None:
    bars = FIGURES["bars"]
    assert isinstance(bars, Bars)
    assert draw(bars) != draw(replace(bars, rows=bars.rows[::-1]))


def test_a_bar_names_its_value_and_its_interval() -> None:
    words = _words(FIGURES["bars"])
    assert "20,000 (10,000 to 40,000)" in words
    assert "Dashed: 2, all rows." in words
    assert {"90.0%", "95.0%", "Dashed: 90.0%, the level."} <= {*_words(FIGURES["percent"])}


def test_models_whose_labels_would_lie_on_each_other_share_one() -> None:
    close = ParetoFront(
        "f", "F", "µs", "RMSE", ("a", "b", "c"), (310.0, 357.0, 27.0), (1.0, 1.1, 50.0), (True,) * 3
    )
    assert {"a, b", "c"} <= {*_words(close)}


def _words(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(draw(figure))
    assert root.tag.endswith("svg")
    return ["".join(element.itertext()).strip() for element in root.iter() if _is_text(element)]


def _is_text(element: ElementTree.Element) -> bool:
    return element.tag.endswith("text")
