import json
from pathlib import Path

import pytest

from tests.benchmarks.report import Cell, figure, page, ratio, spread, table, write


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        ("a word", "a word"),
        (0.0, "0.00"),
        (0.0048, "0.0048"),
        (0.3, "0.30"),
        (9.99, "9.99"),
        (9.996, "10.0"),
        (99.94, "99.9"),
        (99.96, "100"),
        (999.4, "999"),
        (999.6, "1,000"),
        (203755, "203,755"),
    ],
)
def test_a_figure_has_about_three_digits(value: Cell, shown: str) -> None:
    assert figure(value) == shown


def test_a_table_sets_figures_to_the_right() -> None:
    assert table(["server", "rows/s"], [["ours", 200_000.0], ["theirs", None]]) == (
        "| server | rows/s |\n| --- | ---: |\n| ours | 200,000 |\n| theirs | – |"
    )


@pytest.mark.parametrize(
    ("value", "reference", "expected"),
    [(6.0, 2.0, 3.0), (None, 2.0, None), (6.0, None, None), (6.0, 0.0, None)],
)
def test_a_ratio_needs_both(
    value: float | None, reference: float | None, expected: float | None
) -> None:
    assert ratio(value, reference) == expected


def test_the_spread_is_relative_to_the_median() -> None:
    assert spread([90.0, 100.0, 130.0]) == "40%"
    assert spread([100.0]) == "0%"


def test_a_page_says_that_it_is_made(tmp_path: Path) -> None:
    text = page("Title", "words")
    write(tmp_path / "docs", tmp_path / "raw", "online", text, {"rounds": 5})
    written = (tmp_path / "docs" / "online.md").read_text()
    assert written.startswith("<!-- Made by tests/benchmarks")
    assert written.endswith("# Title\n\nwords\n")
    assert json.loads((tmp_path / "raw" / "online.json").read_text()) == {"rounds": 5}
