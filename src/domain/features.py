"""From the features of a row to the columns an estimator sees: one code path for all uses.

Training, batch and online scoring all call `FeatureEncoding.transform`. Every step works on one
column or one cell at a time, so a row's result does not depend on the rows around it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from domain.errors import ArtefactRejected
from domain.feature import Kind
from domain.mapping import Reader
from domain.schema import Matrix, Schema


@dataclass(frozen=True, slots=True)
class FeatureEncoding:
    """Median imputation, one indicator column per category, and the ratios of the schema.

    `fill` holds, by name, what stands in for a missing number or an undefined ratio: the median
    of the training rows. A missing category is a row of zero indicators.
    """

    schema: Schema
    fill: Mapping[str, float]

    @classmethod
    def fit(cls, schema: Schema, matrix: Matrix) -> Self:
        """Learn the medians from training rows; `matrix` has shape (rows, features)."""
        filled: dict[str, Matrix] = {}
        fill: dict[str, float] = {}
        for position, feature in enumerate(schema.features):
            if feature.kind is not Kind.CATEGORY:
                column = matrix[:, position]
                fill[feature.name] = _median(column)
                filled[feature.name] = _filled(column, fill[feature.name])
        for ratio in schema.ratios:
            fill[ratio.name] = _median(_ratio(filled[ratio.numerator], filled[ratio.denominator]))
        return cls(schema, fill)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that `transform` makes, in order."""
        numbers = [f.name for f in self.schema.features if f.kind is not Kind.CATEGORY]
        indicators = [f"{f.name}={value}" for f in self.schema.features for value in f.categories]
        return (*numbers, *indicators, *(ratio.name for ratio in self.schema.ratios))

    def transform(self, matrix: Matrix) -> Matrix:
        """Return the columns for an estimator: (rows, features) in, (rows, len(names)) out."""
        encoded = np.empty((len(matrix), len(self.names)), dtype=np.float64)
        place: dict[str, int] = {}
        width = 0
        for position, feature in enumerate(self.schema.features):
            if feature.kind is not Kind.CATEGORY:
                encoded[:, width] = _filled(matrix[:, position], self.fill[feature.name])
                place[feature.name] = width
                width += 1
        for position, feature in enumerate(self.schema.features):
            for code in range(len(feature.categories)):
                encoded[:, width] = matrix[:, position] == code
                width += 1
        for ratio in self.schema.ratios:
            quotient = _ratio(
                encoded[:, place[ratio.numerator]], encoded[:, place[ratio.denominator]]
            )
            encoded[:, width] = _filled(quotient, self.fill[ratio.name])
            width += 1
        return encoded

    def to_mapping(self) -> dict[str, Any]:
        """Return the learnt part as JSON values; the schema stands in the manifest."""
        return {"columns": list(self.names), "fill": dict(self.fill)}

    @classmethod
    def from_mapping(cls, schema: Schema, mapping: object) -> Self:
        """Read the encoding back.

        Raises:
            ArtefactRejected: it was not made for this schema.
        """
        reader = Reader(mapping, "features.json")
        encoding = cls(schema, {k: float(v) for k, v in reader.mapping_of("fill").items()})
        if reader.texts("columns") != encoding.names:
            raise ArtefactRejected("features.json: the columns are not those of the schema")
        return encoding


def _median(column: Matrix) -> float:
    known = column[np.isfinite(column)]
    return float(np.median(known)) if len(known) else 0.0


def _filled(column: Matrix, value: float) -> Matrix:
    return np.where(np.isnan(column), value, column)


def _ratio(numerator: Matrix, denominator: Matrix) -> Matrix:
    """Divide; NaN where the denominator is zero."""
    known = denominator != 0
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=known)
    return quotient
