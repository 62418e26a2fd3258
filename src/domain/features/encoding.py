"""From the features of a row to the columns of an estimator: one code path for all uses.

Training, batch and online scoring all call `FeatureEncoding.transform`. The columns of a row do
not depend on the other rows of the call.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.canonical_json import from_json_value, json_bytes, json_value
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected, Misconfigured
from domain.features.feature_set import FeatureSet
from domain.features.neighbour_parameters import UNRECORDED, NeighbourParameters
from domain.features.neighbour_statistics import NEIGHBOURS, NeighbourStatistics, StatisticsCompiler

ENCODING = "features.json"


Positions: TypeAlias = NDArray[np.intp]

# A larger quotient counts as undefined, as one with a denominator of zero does.
_LARGEST_RATIO = 1e300
# Rows per block, so that a block stays in a core's cache.
_ROWS_PER_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class FeatureEncoding:
    """Median imputation, one indicator column per category, ratios, neighbour statistics.

    `fill` holds, by name, the medians of the training rows, which replace missing numbers and
    undefined ratios. A ratio is undefined where one of its numbers is missing. A missing category
    has zero in all its indicators. With `neighbour_statistics`, their columns come last; a missing
    coordinate is replaced by the median before the neighbours are searched.
    """

    schema: Schema
    fill: Mapping[str, float]
    neighbour_statistics: NeighbourStatistics | None = field(default=None, compare=False)
    _layout: "_Layout" = field(init=False, repr=False, compare=False)
    _fill: Vector = field(init=False, repr=False, compare=False)
    _sources: Positions = field(init=False, repr=False, compare=False)
    _own_values: Positions = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        layout = _Layout.of(self.schema)
        statistics = self.neighbour_statistics
        spatial, groups = (
            (len(statistics.columns), statistics.parameters.own_groups) if statistics else (0, 0)
        )
        sources = np.concatenate([layout.sources, np.zeros(spatial, dtype=np.intp)])
        object.__setattr__(self, "_sources", sources)
        object.__setattr__(self, "_own_values", np.tile(layout.covariates, groups))
        fill = np.array([self.fill[name] for name in (*layout.numbers, *layout.ratios)])
        object.__setattr__(self, "_layout", layout)
        object.__setattr__(self, "_fill", fill)

    @classmethod
    def fit(cls, schema: Schema, matrix: Matrix) -> Self:
        """Return the encoding with plain features for training rows, shape (rows, features)."""
        layout = _Layout.of(schema)
        numbers = matrix[:, layout.sources[: len(layout.numbers)]]
        medians = np.array([_median(column) for column in numbers.T])
        quotients = np.full((len(matrix), len(layout.ratios)), np.nan)
        layout.divide(numbers, quotients)
        ratios = [_median(column) for column in quotients.T]
        names = (*layout.numbers, *layout.ratios)
        return cls(schema, dict(zip(names, [*medians.tolist(), *ratios], strict=True)))

    @classmethod
    def fit_transform(
        cls,
        features: FeatureSet,
        schema: Schema,
        matrix: Matrix,
        target: Vector,
        shares: tuple[float, ...] = (1.0,),
    ) -> tuple[Self, Matrix]:
        """Return the fitted encoding, and the columns of the training rows.

        The columns are those of `transform`, except that no row is among its own neighbours. With
        spatial features they come once for each of the subsampling `shares`: all rows by the first
        share, then all by the next.

        Raises:
            Misconfigured: the features are spatial, and the schema has no coordinates.
        """
        plain = cls.fit(schema, matrix)
        columns, layout = plain.transform(matrix), plain._layout
        if features is not FeatureSet.SPATIAL:
            return plain, columns
        neighbour_statistics, spatial = NeighbourStatistics.fit_transform(
            layout.value_names(schema),
            columns[:, layout.location],
            np.column_stack([target, columns[:, layout.covariates]]),
            shares,
        )
        columns = np.tile(columns, (len(shares), 1))
        return cls(schema, plain.fill, neighbour_statistics), np.concatenate(
            [columns, spatial], axis=1
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that `transform` returns, in order."""
        indicators = [f"{f.name}={value}" for f in self.schema.features for value in f.categories]
        spatial = self.neighbour_statistics.columns if self.neighbour_statistics else ()
        return (*self._layout.numbers, *indicators, *self._layout.ratios, *spatial)

    def transform(self, matrix: Matrix) -> Matrix:
        """Return the columns of an estimator: (rows, features) in, (rows, len(names)) out."""
        if len(matrix) <= _ROWS_PER_BLOCK:
            return self._transform_block(matrix)
        columns = np.empty((len(matrix), len(self._sources)))
        for start in range(0, len(matrix), _ROWS_PER_BLOCK):
            block = slice(start, start + _ROWS_PER_BLOCK)
            columns[block] = self._transform_block(matrix[block])
        return columns

    def _transform_block(self, matrix: Matrix) -> Matrix:
        layout = self._layout
        first_code = len(layout.numbers)
        first_ratio = first_code + len(layout.codes)
        end = len(layout.sources)
        columns = matrix.take(self._sources, axis=1)
        numbers, ratios = columns[:, :first_code], columns[:, first_ratio:end]
        indicators = columns[:, first_code:first_ratio]
        ratios[:] = self._fill[first_code:]
        layout.divide(numbers, ratios)
        np.copyto(numbers, self._fill[:first_code], where=np.isnan(numbers))
        np.equal(indicators, layout.codes, out=indicators)
        if self.neighbour_statistics:
            points = columns.take(layout.location, axis=1)
            own = columns.take(self._own_values, axis=1)
            self.neighbour_statistics.write(points, own, columns[:, end:])
        return columns

    def to_files(self) -> dict[str, bytes]:
        """Return the files of the encoding in a bundle; the schema is in the manifest."""
        mapping: dict[str, Any] = {"columns": self.names, "fill": self.fill}
        if not self.neighbour_statistics:
            return {ENCODING: json_bytes(mapping)}
        mapping["neighbours"] = self.neighbour_statistics.parameters
        return {ENCODING: json_bytes(mapping), NEIGHBOURS: self.neighbour_statistics.to_bytes()}

    @classmethod
    def from_files(
        cls,
        schema: Schema,
        files: Mapping[str, bytes],
        statistics_compiler: StatisticsCompiler | None = None,
    ) -> Self:
        """Read the encoding from the files of a bundle.

        Raises:
            ArtefactRejected: the files are not those of an encoding for this schema.
        """
        layout = _Layout.of(schema)
        try:
            mapping = {"neighbours": json_value(UNRECORDED)} | json.loads(files[ENCODING])
            stored: _Stored = from_json_value(_Stored, mapping, ENCODING)
        except (ValueError, TypeError, RecursionError) as error:
            raise ArtefactRejected(f"{ENCODING} cannot be read: {error}") from error
        except Misconfigured as error:
            raise ArtefactRejected(str(error)) from error
        if {*stored.fill} != {*layout.numbers, *layout.ratios}:
            raise ArtefactRejected(f"{ENCODING}: fill: the names are not those of the schema")
        statistics = None
        if NEIGHBOURS in files:
            if schema.coordinates is None:
                raise ArtefactRejected(f"{NEIGHBOURS}: the schema has no coordinates")
            statistics = NeighbourStatistics.from_bytes(
                layout.value_names(schema),
                files[NEIGHBOURS],
                stored.neighbours,
                statistics_compiler,
            )
        encoding = cls(schema, stored.fill, statistics)
        if stored.columns != encoding.names:
            raise ArtefactRejected(f"{ENCODING}: the columns are not those of the schema")
        return encoding


@dataclass(frozen=True, slots=True)
class _Stored:
    """The content of `features.json`."""

    columns: tuple[str, ...]
    fill: Mapping[str, float]
    neighbours: NeighbourParameters


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the columns follow from the features: numbers, then indicators, then ratios.

    `sources` is the feature that each column is taken from (any, for a ratio), `codes` the category
    of each indicator; a ratio divides two of the numbers. `location` are the columns of longitude
    and latitude, empty without coordinates. `covariates` are all other numbers and the ratios.
    """

    numbers: tuple[str, ...]
    ratios: tuple[str, ...]
    sources: Positions
    codes: Vector
    numerators: Positions
    denominators: Positions
    location: Positions
    covariates: Positions

    @classmethod
    def of(cls, schema: Schema) -> Self:
        features = list(enumerate(schema.features))
        numbers = [feature.name for feature in schema.features if not feature.categories]
        sources = [position for position, feature in features if not feature.categories]
        sources += [position for position, feature in features for _ in feature.categories]
        codes = [code for feature in schema.features for code in range(len(feature.categories))]
        found = schema.coordinates
        location = [numbers.index(n) for n in (found.longitude, found.latitude)] if found else []
        first_ratio, end = len(numbers) + len(codes), len(sources) + len(schema.ratios)
        plain = (*range(len(numbers)), *range(first_ratio, end))
        covariates = [column for column in plain if column not in location]
        return cls(
            numbers=tuple(numbers),
            ratios=tuple(ratio.name for ratio in schema.ratios),
            sources=_positions([*sources, *(0 for _ in schema.ratios)]),
            codes=np.array(codes, dtype=np.float64),
            numerators=_positions(numbers.index(ratio.numerator) for ratio in schema.ratios),
            denominators=_positions(numbers.index(ratio.denominator) for ratio in schema.ratios),
            location=_positions(location),
            covariates=_positions(covariates),
        )

    def value_names(self, schema: Schema) -> tuple[str, ...]:
        """Return the names of the values of neighbours: the target, then the covariates."""
        names = dict(enumerate(self.numbers))
        names |= dict(enumerate(self.ratios, len(self.numbers) + len(self.codes)))
        return (schema.target.name, *(names[column] for column in self.covariates.tolist()))

    def divide(self, numbers: Matrix, ratios: Matrix) -> None:
        """Write the ratios that are defined to `ratios`; leave the others unchanged."""
        numerators = numbers.take(self.numerators, axis=1)
        denominators = numbers.take(self.denominators, axis=1)
        defined = np.abs(denominators) > np.abs(numerators) / _LARGEST_RATIO
        np.divide(numerators, denominators, out=ratios, where=defined)


def _positions(numbers: Iterable[int]) -> Positions:
    return np.fromiter(numbers, dtype=np.intp)


def _median(column: Vector) -> float:
    known = column[np.isfinite(column)]
    return float(np.median(known)) if len(known) else 0.0
