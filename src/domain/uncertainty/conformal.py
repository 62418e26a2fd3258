"""Prediction intervals: normalised conformal prediction.

The conformal score of a row is |y - ŷ| / s, where the error scale s > 0 is the prediction of the
error by a second model. The interval of a new row at a level is ŷ ± q·s, where q is the
⌈(n + 1)·level⌉-th smallest of n scores (Papadopoulos, Gammerman and Vovk 2008; Lei, G'Sell,
Rinaldo, Tibshirani and Wasserman 2018, section 5.2).
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, isfinite, sqrt
from typing import Self

import numpy as np
from numpy.typing import NDArray

from domain.canonical_json import from_json_value, json_bytes
from domain.data.feature import Feature, Kind, Vector
from domain.data.schema import Matrix, Schema, Target
from domain.errors import ArtefactRejected, InvalidData, Misconfigured

FOLDS = 5

# With fewer training rows than this a model has no intervals.
FEWEST_ROWS = 20

METHOD = "normalised conformal intervals on out-of-fold residuals"
GUARANTEE = (
    "Approximate, and measured on the hold-out. Each conformal score is of a row that neither the "
    "model nor the error-scale model of its fold was fitted on, but the served model was fitted on "
    "all training rows. So neither the exact level of split conformal intervals holds, nor the "
    "bound of about 1 - 2(1 - level) that Barber, Candès, Ramdas and Tibshirani (2021) prove for "
    "CV+. Models fitted on four fifths of the rows have somewhat larger errors, which makes the "
    "intervals slightly too wide rather than too narrow."
)

# The allowed levels, in thousandths.
_LOWEST, _HIGHEST = 500, 990

UNCERTAINTY = "uncertainty.json"

# The error scale is at least this share of its median: a few tiny values would otherwise make very
# narrow intervals there and wider ones everywhere else.
_FLOOR = 0.3
_SMALLEST = 1e-9

# Bands of the prediction, each with enough scores for a quantile of its own at 0.9.
_BANDS = 10
_ROWS_PER_BAND = 200
_BAND_LEVEL = 900


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of the interval of each row, shape (rows,): lower <= prediction <= upper."""

    lower: Vector
    upper: Vector

    def __getitem__(self, rows: NDArray[np.bool_]) -> "Bounds":
        return Bounds(self.lower[rows], self.upper[rows])

    def within_range(self, target: Target) -> "Bounds":
        """Return the bounds, each within the range of the target."""
        return Bounds(target.within_range(self.lower), target.within_range(self.upper))

    @property
    def width(self) -> Vector:
        """The width of each interval; infinite or NaN where a bound is not finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.upper - self.lower

    @property
    def pairs(self) -> list[list[float]]:
        """Lower and upper bound of each row, as Python numbers."""
        pairs: list[list[float]] = np.column_stack((self.lower, self.upper)).tolist()
        return pairs


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Turns the predictions of an error-scale model into intervals.

    `quantiles` are those of the conformal scores at 0.500, 0.501, … up to 0.990, or up to the
    highest level that this many scores allow. Bands of the prediction end at `edges`; the error
    scale of each is multiplied by its factor. The error-scale model predicts the root of the error:
    its square is not negative, and rounds the same on every machine.
    """

    floor: float
    edges: tuple[float, ...]
    factors: tuple[float, ...]
    scores: int
    quantiles: tuple[float, ...]

    @classmethod
    def of(
        cls, errors: Vector, roots: Vector, scale: float, predictions: Vector | None = None
    ) -> Self:
        """Calibrate on the errors |y - ŷ| of rows and the error-scale model's predictions for them.

        `scale` is the range of the target. With `predictions`, each band of them is calibrated.

        Raises:
            InvalidData: there are too few rows.
        """
        if len(errors) < FEWEST_ROWS:
            raise InvalidData(f"{len(errors)} rows to calibrate on; allowed: {FEWEST_ROWS} or more")
        floor = max(_FLOOR * float(np.median(_squared(roots))), _SMALLEST * scale) or 1.0
        scores = errors / (_squared(roots) + floor)
        edges, factors = _bands(scores, predictions)
        if predictions is not None:
            scores = scores / np.array(factors)[np.searchsorted(edges, predictions, side="right")]
        scores = np.sort(scores)
        ranks = [_rank(len(scores), level) for level in range(_LOWEST, _HIGHEST + 1)]
        quantiles = [float(scores[rank - 1]) for rank in ranks if rank <= len(scores)]
        return cls(floor, edges, factors, len(scores), tuple(quantiles))

    @property
    def highest(self) -> float:
        """The highest allowed level."""
        return (_LOWEST + len(self.quantiles) - 1) / 1000

    @property
    def allowed(self) -> str:
        """The allowed levels, as text."""
        return f"a number from {_LOWEST / 1000:g} to {self.highest:g}"

    def quantile(self, level: float) -> float:
        """Return the quantile of the conformal scores at a level, rounded up to 0.001.

        Raises:
            InvalidData: the level is not allowed.
        """
        step = ceil(level * 1000 - 1e-6) if _LOWEST <= level * 1000 <= _HIGHEST else 0
        if not _LOWEST <= step < _LOWEST + len(self.quantiles):
            raise InvalidData(f"interval: this level is not allowed; allowed: {self.allowed}")
        return self.quantiles[step - _LOWEST]

    def error_scale(self, predictions: Vector, roots: Vector) -> Vector:
        """Return the error scale of rows, shape (rows,), in units of the target; positive."""
        factors: Vector = np.array(self.factors)
        bands = np.searchsorted(self.edges, predictions, side="right")
        return (_squared(roots) + self.floor) * factors[bands]

    def bounds(self, predictions: Vector, roots: Vector, level: float) -> Bounds:
        """Return the interval of each row.

        Raises:
            InvalidData: the level is not allowed.
        """
        with np.errstate(over="ignore"):
            half = self.quantile(level) * self.error_scale(predictions, roots)
            return Bounds(predictions - half, predictions + half)

    def to_bytes(self) -> bytes:
        """Return the quantiles and factors as JSON."""
        return json_bytes(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the quantiles and factors in a file.

        Raises:
            ArtefactRejected: it is not in the form of `to_bytes`.
        """
        try:
            read: Self = from_json_value(cls, json.loads(content), UNCERTAINTY)
        except (ValueError, RecursionError) as error:
            raise ArtefactRejected(f"{UNCERTAINTY} is not JSON: {error}") from error
        except Misconfigured as error:
            raise ArtefactRejected(str(error)) from error
        read._check()
        return read

    def _check(self) -> None:
        ordered = _ascend((0.0, *self.quantiles)) and _ascend(self.edges)
        whole = 1 <= len(self.quantiles) <= _HIGHEST - _LOWEST + 1
        whole = whole and len(self.factors) == len(self.edges) + 1
        positive = all(0 < value < inf for value in (self.floor, *self.factors))
        if not (whole and ordered and positive):
            raise ArtefactRejected(
                f"{UNCERTAINTY}: quantiles and bands must ascend, floor and factors must be above 0"
            )


def _squared(roots: Vector) -> Vector:
    return np.square(np.maximum(roots, 0.0))


def _ascend(values: tuple[float, ...]) -> bool:
    ordered = all(low <= high for low, high in pairwise(values))
    return ordered and all(map(isfinite, values))


def _bands(
    scores: Vector, predictions: Vector | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the edges of bands of the prediction, and the factor of the error scale in each.

    The factor is the root of the ratio of the band's quantile at 0.9 to that of all rows. The ratio
    itself would give every band its own quantiles (Mondrian conformal regression: Boström and
    Johansson 2020) and wider intervals.
    """
    count = min(_BANDS, len(scores) // _ROWS_PER_BAND)
    overall = _at(scores, _BAND_LEVEL)
    if predictions is None or count < 2 or not overall:
        return (), (1.0,)
    edges = np.unique(np.quantile(predictions, np.arange(1, count) / count))
    bands = np.searchsorted(edges, predictions, side="right")
    parts = [scores[bands == band] for band in range(len(edges) + 1)]
    large = [len(part) >= _ROWS_PER_BAND for part in parts]
    ratios = [
        _at(p, _BAND_LEVEL) / overall if ok else 1.0 for p, ok in zip(parts, large, strict=True)
    ]
    return tuple(edges.tolist()), tuple(sqrt(ratio) or 1.0 for ratio in ratios)


def _at(scores: Vector, level: int) -> float:
    return float(np.sort(scores)[min(_rank(len(scores), level), len(scores)) - 1])


def _rank(scores: int, level: int) -> int:
    """Return ⌈(n + 1)·level⌉ for a level in thousandths, without rounding errors."""
    return -(-(scores + 1) * level // 1000)


def error_scale_schema(schema: Schema) -> Schema:
    """Return the schema of error-scale models: the features, then the prediction."""
    taken = {*schema.names, schema.target.name, *(ratio.name for ratio in schema.ratios)}
    name = "prediction"
    while name in taken:
        name += "_"
    return Schema(
        schema.name,
        Target("root of the error"),
        (*schema.features, Feature(name, Kind.NUMBER, schema.target.unit)),
        schema.ratios,
        schema.coordinates,
    )


def error_scale_rows(matrix: Matrix, predictions: Vector) -> Matrix:
    """Return the rows of an error-scale model, shape (rows, features + 1)."""
    return np.column_stack((matrix, predictions))


def folds(rows: int, seed: int) -> list[NDArray[np.bool_]]:
    """Return five masks of shape (rows,) that divide the rows at random into equal folds."""
    numbers = np.random.RandomState(seed).permutation(rows) % FOLDS
    return [numbers == number for number in range(FOLDS)]
