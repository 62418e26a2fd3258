"""How far the training rows reach, and which values of a row lie beyond."""

from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Feature, Kind, Vector
from domain.data.mapping_reader import Reader
from domain.data.profile import cells_of, locations_of
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected, Misconfigured

Mask: TypeAlias = NDArray[np.bool_]
Cells: TypeAlias = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ApplicabilityDomain:
    """What the training rows had: `seen` holds, per feature, whether a value is like theirs."""

    schema: Schema
    seen: tuple["_Seen", ...]
    cells: Cells | None

    @classmethod
    def of(cls, schema: Schema, profile: object) -> Self:
        """Read it from the profile of the training rows.

        Raises:
            ArtefactRejected: it is not a profile of rows of this schema.
        """
        try:
            reader = Reader(profile, "profile.json")
            features = reader.table("features")
            seen = tuple(_Seen.of(f, features.table(f.name)) for f in schema.features)
            cells = [*map(_cell, reader.items("cells"))] if reader.has("cells") else None
        except (Misconfigured, TypeError, ValueError) as error:
            raise ArtefactRejected(f"profile.json cannot be read: {error}") from error
        return cls(schema, seen, None if cells is None else frozenset(cells))

    def beyond(self, matrix: Matrix) -> list[tuple[str, ...]]:
        """Return for each row of `matrix`, shape (rows, features), where it extrapolates.

        A number does so outside the range of the training rows, a category or a missing value
        where they had none, and a place, by both its coordinates, where neither its map cell nor
        one of the eight around it had a training row.
        """
        strange = np.column_stack(
            [~seen.has(matrix[:, place]) for place, seen in enumerate(self.seen)]
        )
        self._mark_places(matrix, strange)
        names = self.schema.names
        return [
            tuple(name for name, marked in zip(names, row, strict=True) if marked)
            for row in strange.tolist()
        ]

    def _mark_places(self, matrix: Matrix, strange: Mask) -> None:
        places = locations_of(self.schema, matrix)
        if places is None or self.cells is None or self.schema.coordinates is None:
            return
        where = self.schema.coordinates
        axes = [self.schema.names.index(name) for name in (where.latitude, where.longitude)]
        known = np.flatnonzero(np.isfinite(places).all(axis=1))
        found, back = np.unique(cells_of(places[known]), axis=0, return_inverse=True)
        lonely = np.array([not self._is_near(*cell) for cell in found.tolist()], dtype=bool)
        for row in known[lonely[np.ravel(back)]] if len(found) else ():
            strange[row, axes] = True

    def _is_near(self, north: int, east: int) -> bool:
        around = ((north + n, east + e) for n in (-1, 0, 1) for e in (-1, 0, 1))
        return not (self.cells or frozenset()).isdisjoint(around)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The values of a feature in the training rows: a range, or the codes of categories."""

    low: float
    high: float
    codes: Vector | None
    missing: bool

    @classmethod
    def of(cls, feature: Feature, sketch: Reader) -> Self:
        missing = sketch.whole("missing") > 0
        if feature.kind is Kind.CATEGORY:
            counts = sketch.table("counts")
            codes = [code for code, v in enumerate(feature.categories) if counts.whole(v) > 0]
            return cls(0.0, 0.0, np.array(codes, dtype=np.float64), missing)
        quantiles = sketch.numbers("quantiles") or (np.inf, -np.inf)
        return cls(quantiles[0], quantiles[-1], None, missing)

    def has(self, column: Vector) -> Mask:
        """Whether each value is like one of the training rows."""
        within: Mask = (column >= self.low) & (column <= self.high)
        if self.codes is not None:
            within = np.isin(column, self.codes)
        return np.where(np.isnan(column), self.missing, within)


def _cell(pair: Any) -> tuple[int, int]:
    north, east = pair
    if type(north) is not int or type(east) is not int:
        raise ValueError("cells: expected pairs of integers")
    return north, east
