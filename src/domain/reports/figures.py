"""Figures as data: what is to be seen, in which unit; how it is drawn is an adapter's business.

Every figure has a name, which is that of its file, and a title that says what it shows.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Dots:
    """A value with its interval for each label, one below the other; `strong` ones stand out.

    `mark` is a value to compare them with.
    """

    name: str
    title: str
    axis: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    strong: tuple[bool, ...]
    mark: float | None = None


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar for each label, one below the other; `mark` is a value to compare them with."""

    name: str
    title: str
    axis: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    mark: float | None = None
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """Values along an axis; with `diagonal` both axes are the same, and equal values lie on it."""

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
    """Models by cost and error; those `on_front` are beaten by no other in both."""

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
    """Square cells of `size` degrees with a value each: colours part below zero and above."""

    name: str
    title: str
    axis: str
    longitudes: tuple[float, ...]
    latitudes: tuple[float, ...]
    values: tuple[float, ...]
    size: float


Figure: TypeAlias = Dots | Bars | Curve | ParetoFront | Map
