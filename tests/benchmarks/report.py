"""Tables of figures as Markdown, and the raw figures as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TypeAlias

Cell: TypeAlias = str | float | None

NOTHING = "–"


def figure(value: Cell) -> str:
    """Return a number with three significant digits or, from a thousand on, in whole ones."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return value
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a Markdown table; the first column is words, the others are figures."""
    rules = ["---", *("---:" for _ in header[1:])]
    lines = [header, rules, *([figure(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def facts(pairs: Mapping[str, str]) -> str:
    """Return a list of what and its value."""
    return "\n".join(f"- {name}: {value}" for name, value in pairs.items())


def ratio(value: float | None, reference: float | None) -> float | None:
    """Return value / reference; None where one of them was not measured."""
    return value / reference if value is not None and reference else None


def spread(values: Sequence[float]) -> str:
    """Return how far apart the rounds are: (largest − smallest) / median, in per cent."""
    return f"{(max(values) - min(values)) / median(values):.0%}"


def page(title: str, *parts: str) -> str:
    """Return a Markdown page."""
    head = ["<!-- Made by tests/benchmarks: run `make bench` again, do not edit. -->"]
    return "\n\n".join([*head, f"# {title}", *parts]) + "\n"


def write(folder: Path, raw_folder: Path, name: str, text: str, raw: object) -> None:
    """Write a page and its raw figures."""
    for place in (folder, raw_folder):
        place.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (raw_folder / f"{name}.json").write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")
