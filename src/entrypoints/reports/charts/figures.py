"""Figures as data: values, labels and units.

Every figure has a name, that of its file, and a title that says what it shows.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with its interval from `low` to `high`; `strong` ones are drawn in colour."""

    label: str
    value: float
    low: float
    high: float
    strong: bool = True


@dataclass(frozen=True, slots=True)
class Dots:
    """Values with intervals, one below the other; `mark` is a value to compare them with."""

    name: str
    title: str
    axis: str
    rows: tuple[Dot, ...]
    mark: float | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """A value, with its interval from `low` to `high` where that is known."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars, one below the other; `mark` is a value to compare them with.

    With `percent` values are shares, from 0 to 1.
    """

    name: str
    title: str
    rows: tuple[Bar, ...]
    mark: float | None = None
    mark_meaning: str = ""
    percent: bool = False

    @property
    def top(self) -> float:
        """The value at the right end of the scale."""
        ends = [bar.value if bar.high is None else max(bar.value, bar.high) for bar in self.rows]
        return 1.0 if self.percent else max([*ends, self.mark or 0.0]) or 1.0

    def number(self, value: float) -> str:
        """Return a value as text."""
        if self.percent:
            return f"{value:.1%}"
        return f"{value:,.0f}" if 100 <= abs(value) < 1e12 else f"{value:.3g}"

    def text(self, bar: Bar) -> str:
        """Return the value of a bar as text, with its interval."""
        number = self.number
        if bar.low is None or bar.high is None:
            return number(bar.value)
        return f"{number(bar.value)} ({number(bar.low)} to {number(bar.high)})"


@dataclass(frozen=True, slots=True)
class Curve:
    """Values along an axis; `diagonal` draws the line on which x and y are equal."""

    name: str
    title: str
    x_axis: str
    y_axis: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    diagonal: bool = False
    joined: bool = True


@dataclass(frozen=True, slots=True)
class ParetoFront:
    """Models by cost and error; no other model beats those `on_front` in both."""

    name: str
    title: str
    x_axis: str
    y_axis: str
    labels: tuple[str, ...]
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    on_front: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """Square cells of `size` degrees, given by their centres; colours diverge from zero."""

    name: str
    title: str
    axis: str
    longitudes: tuple[float, ...]
    latitudes: tuple[float, ...]
    values: tuple[float, ...]
    size: float


Figure: TypeAlias = Dots | Bars | Curve | ParetoFront | Map
