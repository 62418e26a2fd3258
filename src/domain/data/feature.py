"""A feature: one input column of a model, and the rule for its values."""

import re
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf, isfinite, isnan
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.data.table import Coded, Column, plain
from domain.errors import Misconfigured

Vector: TypeAlias = NDArray[np.float64]

MISSING = float("nan")

# A decimal comma or separators of thousands.
_WITH_COMMA = re.compile(r"\s*[+-]?[0-9.,]*,[0-9.,]*[0-9][0-9.,]*\s*")

_BOOLEANS = (bool, np.bool_)
_NUMBERS = (int, float, np.integer, np.floating)


class Kind(StrEnum):
    """What the values of a column are."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    BOOLEAN = "boolean"


class Refused(ValueError):
    """A value is not allowed; the message gives the reason, never the value."""


@dataclass(frozen=True, slots=True)
class Feature:
    """An input column of a model. `low` and `high` are inclusive bounds of a number."""

    name: str
    kind: Kind
    unit: str = ""
    low: float | None = None
    high: float | None = None
    nullable: bool = False
    categories: tuple[str, ...] = ()
    description: str = ""
    example: float | str | bool | None = None

    def __post_init__(self) -> None:
        if (self.kind is Kind.CATEGORY) != bool(self.categories):
            raise Misconfigured(
                f"feature {self.name!r}: a category needs `categories`, and nothing else has them"
            )
        if len(set(self.categories)) != len(self.categories):
            raise Misconfigured(f"feature {self.name!r}: a category is listed twice")
        self._check_range()
        if self.example is not None:
            try:
                self.encode(self.example)
            except Refused as refused:
                raise Misconfigured(
                    f"feature {self.name!r}: the example {refused}; allowed: {self.allowed}"
                ) from None

    def _check_range(self) -> None:
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if bounds and self.kind not in (Kind.NUMBER, Kind.INTEGER):
            raise Misconfigured(f"feature {self.name!r}: only a number or integer has a `range`")
        if not all(map(isfinite, bounds)) or bounds != sorted(bounds):
            raise Misconfigured(f"feature {self.name!r}: `range` is not from a lower to a higher")

    @property
    def allowed(self) -> str:
        """The allowed values, as text."""
        if self.kind is Kind.CATEGORY:
            text = "one of " + ", ".join(map(repr, self.categories))
        elif self.kind is Kind.BOOLEAN:
            text = "true or false"
        else:
            text = f"{'an integer' if self.kind is Kind.INTEGER else 'a number'}{self._bounds()}"
            text += f" ({self.unit})" if self.unit else ""
        return f"{text}, or nothing" if self.nullable else text

    @property
    def sample(self) -> float | str | bool | None:
        """An allowed value: the example, or one derived from the rule."""
        if self.example is not None or self.nullable:
            return self.example
        if self.kind is Kind.CATEGORY:
            return self.categories[0]
        if self.kind is Kind.BOOLEAN:
            return False
        nearest = max(0.0, self.low or 0.0) or min(0.0, self.high or 0.0)
        return ceil(nearest) if self.kind is Kind.INTEGER else nearest

    def _bounds(self) -> str:
        if self.low is not None and self.high is not None:
            return f" from {self.low:.15g} to {self.high:.15g}"
        if self.low is not None:
            return f" of at least {self.low:.15g}"
        return "" if self.high is None else f" of at most {self.high:.15g}"

    def encode(self, value: object) -> float:
        """Return one value as a number.

        Raises:
            Refused: the value is not allowed.
        """
        if value is None:
            if self.nullable:
                return MISSING
            raise Refused("is missing")
        if self.kind is Kind.CATEGORY:
            if not isinstance(value, str):
                raise Refused("is not text")
            if value not in self.categories:
                raise Refused("is not a known category")
            return float(self.categories.index(value))
        if self.kind is Kind.BOOLEAN:
            if not isinstance(value, _BOOLEANS):
                raise Refused("is not true or false")
            return float(value)
        if isinstance(value, _BOOLEANS) or not isinstance(value, _NUMBERS):
            has_comma = isinstance(value, str) and _WITH_COMMA.fullmatch(value)
            raise Refused("is not a number: it has a comma" if has_comma else "is not a number")
        return self._encode_number(value)

    def _encode_number(self, value: int | float | np.integer[Any] | np.floating[Any]) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if not isfinite(number):
            raise Refused("is not a finite number")
        if self.kind is Kind.INTEGER and not number.is_integer():
            raise Refused("is not a whole number")
        if (self.low is not None and number < self.low) or (
            self.high is not None and number > self.high
        ):
            raise Refused("is out of range")
        return number

    def needs_range_check_only(self, column: Column) -> bool:
        """Whether the range is the only rule that values of this column can break."""
        kinds = {Kind.NUMBER: "iuf", Kind.INTEGER: "iu"}.get(self.kind, "")
        return isinstance(column, np.ndarray) and column.dtype.kind in kinds

    def allows_range(self, least: float, most: float) -> bool:
        """Whether all numbers from `least` to `most` are allowed; NaN is not."""
        low = -inf if self.low is None else self.low
        high = inf if self.high is None else self.high
        return low <= least <= most <= high and isfinite(least) and isfinite(most)

    def encode_column(self, column: Column) -> tuple[Vector, dict[int, str]]:
        """Return the values of a column as numbers, and the problem of each invalid row.

        NaN in a float column is a missing value, as in pandas.
        """
        if isinstance(column, Coded):
            return self._encode_coded(column)
        column = plain(column)
        if column.dtype == bool and self.kind is Kind.BOOLEAN:
            return column.astype(np.float64), {}
        if column.dtype == object or self.kind in (Kind.CATEGORY, Kind.BOOLEAN):
            return self._encode_each(column)
        if column.dtype.kind not in "iuf":
            return np.full(len(column), MISSING), dict.fromkeys(
                range(len(column)), "is not a number"
            )
        return self._encode_numbers(column.astype(np.float64))

    def _encode_coded(self, column: Coded) -> tuple[Vector, dict[int, str]]:
        values, problems = self._encode_each(np.array([*column.values, None], dtype=object))
        if (column.codes >= 0).all():
            problems.pop(len(column.values), None)
        if not problems:
            return values[column.codes], {}
        refused = np.flatnonzero(np.isin(column.codes % len(values), list(problems)))
        return values[column.codes], {
            int(row): problems[int(column.codes[row]) % len(values)] for row in refused
        }

    def _encode_each(self, column: NDArray[Any]) -> tuple[Vector, dict[int, str]]:
        values = np.full(len(column), MISSING)
        problems: dict[int, str] = {}
        for row, value in enumerate(column.tolist()):
            try:
                values[row] = self.encode(None if _is_nan(value) else value)
            except Refused as refused:
                problems[row] = str(refused)
        return values, problems

    def _encode_numbers(self, values: Vector) -> tuple[Vector, dict[int, str]]:
        problems: dict[int, str] = {}
        missing = np.isnan(values)
        if not self.nullable:
            _note(problems, missing, "is missing")
        _note(problems, np.isinf(values), "is not a finite number")
        if self.kind is Kind.INTEGER:
            whole = missing | (values == np.floor(values))
            _note(problems, ~whole, "is not a whole number")
        if self.low is not None:
            _note(problems, values < self.low, "is out of range")
        if self.high is not None:
            _note(problems, values > self.high, "is out of range")
        return values, problems


def _is_nan(value: object) -> bool:
    return isinstance(value, float | np.floating) and isnan(value)


def _note(problems: dict[int, str], rows: NDArray[np.bool_], problem: str) -> None:
    for row in np.flatnonzero(rows):
        problems.setdefault(int(row), problem)
