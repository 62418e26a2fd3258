"""The applicability domain: where the training rows were; a row outside of it extrapolates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.canonical_json import from_json_value
from domain.data.feature import Feature, Kind, Vector
from domain.data.profile import cells_of, locations_of
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected, Misconfigured

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ApplicabilityDomain:
    """The values of each feature in the training rows, and the map cells of these rows."""

    schema: Schema
    values: tuple["_TrainingValues", ...]
    cells: frozenset[tuple[int, int]] | None

    @classmethod
    def of(cls, schema: Schema, profile: Any) -> Self:
        """Return the domain that a profile of training rows describes.

        Raises:
            ArtefactRejected: it is not a profile of rows of this schema.
        """
        try:
            features = profile["features"]
            values = tuple(_TrainingValues.of(f, features[f.name]) for f in schema.features)
            cells = None
            if "cells" in profile:
                stored = from_json_value(tuple[tuple[int, ...], ...], profile["cells"], "cells")
                cells = frozenset((north, east) for north, east in stored)
        except (Misconfigured, KeyError, TypeError, ValueError) as error:
            raise ArtefactRejected(f"profile.json cannot be read: {error}") from error
        return cls(schema, values, cells)

    def out_of_domain(self, matrix: Matrix) -> list[tuple[str, ...]]:
        """Return for each row of `matrix`, shape (rows, features), the features that extrapolate.

        A number extrapolates outside the range of the training rows. A category or a missing value
        extrapolates if no training row has it. A location, with both its coordinates, extrapolates
        if neither its map cell nor one of the eight around it has a training row.
        """
        outside = np.column_stack(
            [~values.include(matrix[:, column]) for column, values in enumerate(self.values)]
        )
        self._mark_locations(matrix, outside)
        names = self.schema.names
        return [
            tuple(name for name, marked in zip(names, row, strict=True) if marked)
            for row in outside.tolist()
        ]

    def _mark_locations(self, matrix: Matrix, outside: Mask) -> None:
        locations, coordinates = locations_of(self.schema, matrix), self.schema.coordinates
        if locations is None or coordinates is None or self.cells is None:
            return
        axes = [self.schema.names.index(n) for n in (coordinates.latitude, coordinates.longitude)]
        known = np.flatnonzero(np.isfinite(locations).all(axis=1))
        cells, cell = np.unique(cells_of(locations[known]), axis=0, return_inverse=True)
        far = np.array([not self._is_near(*each) for each in cells.tolist()], dtype=bool)
        if len(cells):
            outside[np.ix_(known[far[np.ravel(cell)]], axes)] = True

    def _is_near(self, north: int, east: int) -> bool:
        around = ((north + n, east + e) for n in (-1, 0, 1) for e in (-1, 0, 1))
        return not (self.cells or frozenset()).isdisjoint(around)


@dataclass(frozen=True, slots=True)
class _TrainingValues:
    """The values of a feature in the training rows: a range, or the codes of categories."""

    low: float
    high: float
    codes: Vector | None
    missing: bool

    @classmethod
    def of(cls, feature: Feature, sketch: Mapping[str, Any]) -> Self:
        missing = from_json_value(int, sketch["missing"], feature.name) > 0
        if feature.kind is Kind.CATEGORY:
            counts = from_json_value(Mapping[str, int], sketch["counts"], feature.name)
            codes = [code for code, v in enumerate(feature.categories) if counts[v] > 0]
            return cls(0.0, 0.0, np.array(codes, dtype=np.float64), missing)
        quantiles = from_json_value(tuple[float, ...], sketch["quantiles"], feature.name)
        quantiles = quantiles or (np.inf, -np.inf)
        return cls(quantiles[0], quantiles[-1], None, missing)

    def include(self, column: Vector) -> Mask:
        """Whether each value was in the training rows, or inside their range."""
        within: Mask = (column >= self.low) & (column <= self.high)
        if self.codes is not None:
            within = np.isin(column, self.codes)
        return np.where(np.isnan(column), self.missing, within)
