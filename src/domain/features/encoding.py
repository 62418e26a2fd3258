"""From the features of a row to the columns an estimator sees: one code path for all uses.

Training, batch and online scoring all call `FeatureEncoding.transform`. Every step works on one
row at a time, so a row's result does not depend on the rows around it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.canonical_json import json_bytes
from domain.data.feature import Vector
from domain.data.mapping_reader import Reader
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected, Misconfigured
from domain.features.feature_set import FeatureSet
from domain.features.neighbours import AGAINST, NEIGHBOURS, NeighbourStatistics, StatisticsCompiler

ENCODING = "features.json"


Positions: TypeAlias = NDArray[np.intp]

# A quotient beyond this is as undefined as one with a denominator of zero.
_LARGEST_RATIO = 1e300
# Few enough rows at a time to stay in the cache of a core.
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class FeatureEncoding:
    """Median imputation, one indicator column per category, the ratios of the schema, and more.

    `fill` holds, by name, what stands in for a missing number or an undefined ratio: the median
    of the training rows. A ratio is undefined where one of its numbers is missing: divided by a
    stand-in it would be far off. A missing category is a row of zero indicators. With
    `neighbour_statistics`, columns follow on what the nearest training rows are like; a row without
    a coordinate is looked for where the median stands in.
    """

    schema: Schema
    fill: Mapping[str, float]
    neighbour_statistics: NeighbourStatistics | None = field(default=None, compare=False)
    _layout: "_Layout" = field(init=False, repr=False, compare=False)
    _fill: Vector = field(init=False, repr=False, compare=False)
    _sources: Positions = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        layout = _Layout.of(self.schema)
        nearby = self.neighbour_statistics.columns if self.neighbour_statistics else ()
        sources = np.concatenate([layout.sources, np.zeros(len(nearby), dtype=np.intp)])
        object.__setattr__(self, "_sources", sources)
        fill = np.array([self.fill[name] for name in (*layout.numbers, *layout.ratios)])
        object.__setattr__(self, "_layout", layout)
        object.__setattr__(self, "_fill", fill)

    @classmethod
    def fit(cls, schema: Schema, matrix: Matrix) -> Self:
        """Learn the medians from training rows; `matrix` has shape (rows, features)."""
        layout = _Layout.of(schema)
        numbers = matrix[:, layout.sources[: len(layout.numbers)]]
        medians = np.array([_median(column) for column in numbers.T])
        quotients = np.full((len(matrix), len(layout.ratios)), np.nan)
        layout.divide(numbers, quotients)
        ratios = [_median(column) for column in quotients.T]
        names = (*layout.numbers, *layout.ratios)
        return cls(schema, dict(zip(names, [*medians.tolist(), *ratios], strict=True)))

    @classmethod
    def learn(
        cls,
        features: FeatureSet,
        schema: Schema,
        matrix: Matrix,
        target: Vector,
        shares: tuple[float, ...] = (1.0,),
    ) -> tuple[Self, Matrix]:
        """Learn from training rows; the second result are their columns to fit an estimator on.

        Those are the columns of `transform`, but that each row is described as if it were not
        among the training rows. Spatial ones are told once for each of the `shares` of the training
        rows that can be neighbours: all rows by the first share, then all by the next.

        Raises:
            Misconfigured: spatial features are asked for, and the schema has no coordinates.
        """
        plain = cls.fit(schema, matrix)
        columns, layout = plain.transform(matrix), plain._layout
        if features is not FeatureSet.SPATIAL:
            return plain, columns
        told = np.column_stack([target, columns[:, layout.told]])
        neighbour_statistics, nearby = NeighbourStatistics.learn(
            layout.names_told(schema), columns[:, layout.place], told, shares
        )
        columns = np.tile(columns, (len(shares), 1))
        return cls(schema, plain.fill, neighbour_statistics), np.concatenate(
            [columns, nearby], axis=1
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that `transform` makes, in order."""
        indicators = [f"{f.name}={value}" for f in self.schema.features for value in f.categories]
        nearby = self.neighbour_statistics.columns if self.neighbour_statistics else ()
        return (*self._layout.numbers, *indicators, *self._layout.ratios, *nearby)

    def transform(self, matrix: Matrix) -> Matrix:
        """Return the columns for an estimator: (rows, features) in, (rows, len(names)) out."""
        if len(matrix) <= _ROWS_AT_ONCE:
            return self._some(matrix)
        columns = np.empty((len(matrix), len(self._sources)))
        for start in range(0, len(matrix), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            columns[part] = self._some(matrix[part])
        return columns

    def _some(self, matrix: Matrix) -> Matrix:
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
            places = columns.take(layout.place, axis=1)
            own = columns.take(layout.own, axis=1)
            self.neighbour_statistics.describe(places, own, columns[:, end:])
        return columns

    def to_files(self) -> dict[str, bytes]:
        """Return what a bundle keeps of it."""
        files = {ENCODING: json_bytes(self.to_mapping())}
        if self.neighbour_statistics:
            files[NEIGHBOURS] = self.neighbour_statistics.to_bytes()
        return files

    @classmethod
    def from_files(
        cls,
        schema: Schema,
        files: Mapping[str, bytes],
        statistics_compiler: StatisticsCompiler | None = None,
    ) -> Self:
        """Read the encoding back from the files of a bundle.

        Raises:
            ArtefactRejected: they are not those of an encoding for this schema.
        """
        try:
            mapping = json.loads(files[ENCODING])
        except (ValueError, RecursionError) as error:
            raise ArtefactRejected(f"{ENCODING} cannot be read: {error}") from error
        return cls.from_mapping(schema, mapping, files.get(NEIGHBOURS), statistics_compiler)

    def to_mapping(self) -> dict[str, Any]:
        """Return the learnt part as JSON values; the schema stands in the manifest."""
        return {"columns": list(self.names), "fill": dict(self.fill)}

    @classmethod
    def from_mapping(
        cls,
        schema: Schema,
        mapping: object,
        neighbours: bytes | None = None,
        statistics_compiler: StatisticsCompiler | None = None,
    ) -> Self:
        """Read the encoding back; `neighbours` is the file of the surroundings, if there are any.

        Raises:
            ArtefactRejected: it was not made for this schema.
        """
        layout = _Layout.of(schema)
        try:
            reader = Reader(mapping, "features.json")
            columns, fill = reader.texts("columns"), reader.table("fill")
            medians = {name: fill.number(name) for name in (*layout.numbers, *layout.ratios)}
            fill.finish()
        except Misconfigured as error:
            raise ArtefactRejected(str(error)) from error
        neighbour_statistics = None
        if neighbours is not None:
            if schema.coordinates is None:
                raise ArtefactRejected(f"{NEIGHBOURS}: the schema has no coordinates")
            names = layout.names_told(schema)
            neighbour_statistics = NeighbourStatistics.from_bytes(
                names, neighbours, statistics_compiler
            )
        encoding = cls(schema, medians, neighbour_statistics)
        if columns != encoding.names:
            raise ArtefactRejected("features.json: the columns are not those of the schema")
        return encoding


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the columns follow from a row of features: numbers, then indicators, then ratios.

    `sources` is the feature that each column starts from (any, for a ratio), `codes` the category
    that each indicator is for; a ratio divides two of the numbers. `place` are the columns of
    longitude and latitude, if there are any, `told` the other numbers and the ratios, `own` the
    same as often as they are held against the neighbours.
    """

    numbers: tuple[str, ...]
    ratios: tuple[str, ...]
    sources: Positions
    codes: Vector
    numerators: Positions
    denominators: Positions
    place: Positions
    told: Positions
    own: Positions

    @classmethod
    def of(cls, schema: Schema) -> Self:
        places = list(enumerate(schema.features))
        numbers = [feature.name for feature in schema.features if not feature.categories]
        sources = [place for place, feature in places if not feature.categories]
        sources += [place for place, feature in places for _ in feature.categories]
        codes = [code for feature in schema.features for code in range(len(feature.categories))]
        where = schema.coordinates
        place = [numbers.index(name) for name in (where.longitude, where.latitude)] if where else []
        first_ratio, end = len(numbers) + len(codes), len(sources) + len(schema.ratios)
        told = [c for c in (*range(len(numbers)), *range(first_ratio, end)) if c not in place]
        return cls(
            numbers=tuple(numbers),
            ratios=tuple(ratio.name for ratio in schema.ratios),
            sources=_positions([*sources, *(0 for _ in schema.ratios)]),
            codes=np.array(codes, dtype=np.float64),
            numerators=_positions(numbers.index(ratio.numerator) for ratio in schema.ratios),
            denominators=_positions(numbers.index(ratio.denominator) for ratio in schema.ratios),
            place=_positions(place),
            told=_positions(told),
            own=_positions(told * AGAINST),
        )

    def names_told(self, schema: Schema) -> tuple[str, ...]:
        """Return the names of what neighbours are told: the target, then the columns of `told`."""
        names = dict(enumerate(self.numbers))
        names |= dict(enumerate(self.ratios, len(self.numbers) + len(self.codes)))
        return (schema.target.name, *(names[column] for column in self.told.tolist()))

    def divide(self, numbers: Matrix, ratios: Matrix) -> None:
        """Write the ratios of known numbers whose quotient is finite; leave the others alone."""
        numerators = numbers.take(self.numerators, axis=1)
        denominators = numbers.take(self.denominators, axis=1)
        defined = np.abs(denominators) > np.abs(numerators) / _LARGEST_RATIO
        np.divide(numerators, denominators, out=ratios, where=defined)


def _positions(numbers: Iterable[int]) -> Positions:
    return np.fromiter(numbers, dtype=np.intp)


def _median(column: Vector) -> float:
    known = column[np.isfinite(column)]
    return float(np.median(known)) if len(known) else 0.0
