"""Hypothesis strategies for the objects of the domain."""

from dataclasses import replace
from math import ceil, floor
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from domain.data.feature import Feature, Kind
from domain.data.schema import Coordinates, Ratio, Schema, Target
from domain.data.table import Column, Table
from domain.features.neighbour_parameters import NeighbourParameters

MODEL_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,12}", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
COLUMN_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
BOUNDS = st.tuples(st.none() | st.floats(-1e6, 0), st.none() | st.floats(1, 1e6))

# Everything that a caller may put where a value belongs.
CELLS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-50, 50),
    st.sampled_from([10**400, -(10**400), 2**63, 2**53 + 1]),
    st.floats(-50, 50),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.0, 1e308]),
    st.sampled_from(["", "a", "b", "12", "NaN", "true", "\x00"]),
    WORDS,
    st.sampled_from(
        [
            np.float32(1.5),
            np.float32("nan"),
            np.float16("inf"),
            np.int64(3),
            np.uint8(200),
            np.bool_(True),
            np.str_("a"),
            np.datetime64("2020-01-01"),
            np.complex128(1j),
        ]
    ),
    st.lists(st.integers(), max_size=3),
    st.lists(st.lists(st.none(), max_size=1), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from([b"a", (1, 2), 1j, object(), int, frozenset()]),
)


@st.composite
def features(draw: st.DrawFn, name: str = "x", kind: Kind | None = None) -> Feature:
    """Draw a feature, with a valid example or none."""
    kind = kind or draw(st.sampled_from(Kind))
    low, high = (bound + 0.0 for bound in sorted(draw(st.tuples(NUMBERS, NUMBERS))))
    if kind is Kind.INTEGER:
        low, high = float(floor(low)), float(ceil(high))
    ranged = kind in (Kind.NUMBER, Kind.INTEGER)
    categories = st.lists(
        st.one_of(st.sampled_from(["a", "b"]), WORDS), min_size=1, max_size=4, unique=True
    )
    bare = Feature(
        name,
        kind,
        unit=draw(WORDS),
        low=low if ranged and draw(st.booleans()) else None,
        high=high if ranged and draw(st.booleans()) else None,
        nullable=draw(st.booleans()),
        categories=tuple(draw(categories)) if kind is Kind.CATEGORY else (),
        description=draw(WORDS),
    )
    return replace(bare, example=draw(values(bare))) if draw(st.booleans()) else bare


def values(feature: Feature) -> st.SearchStrategy[Any]:
    """Return a strategy for the values that a feature allows."""
    low = -1e6 if feature.low is None else feature.low
    high = 1e6 if feature.high is None else feature.high
    allowed: st.SearchStrategy[Any]
    match feature.kind:
        case Kind.CATEGORY:
            allowed = st.sampled_from(feature.categories)
        case Kind.BOOLEAN:
            allowed = st.booleans()
        case Kind.INTEGER:
            allowed = st.integers(ceil(low), floor(high))
        case Kind.NUMBER:
            allowed = st.floats(low, high)
    return allowed | st.none() if feature.nullable else allowed


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Draw a schema of up to five features, with ratios and coordinates if it has numbers."""
    names = draw(st.lists(COLUMN_NAMES, min_size=4, max_size=8, unique=True))
    target, *others = names
    width = draw(st.integers(1, len(others) - 2))
    chosen = tuple(draw(features(name)) for name in others[:width])
    numeric = [f.name for f in chosen if f.kind in (Kind.NUMBER, Kind.INTEGER)]
    ratios: list[Ratio] = []
    coordinates = None
    if numeric:
        part = st.sampled_from(numeric)
        ratios = [
            Ratio(name, draw(part), draw(part)) for name in others[width:] if draw(st.booleans())
        ]
        coordinates = draw(st.none() | st.builds(Coordinates, part, part))
    return Schema(
        draw(MODEL_NAMES),
        Target(target, draw(WORDS), draw(WORDS), *draw(BOUNDS)),
        chosen,
        tuple(ratios),
        coordinates,
        draw(WORDS),
    )


@st.composite
def neighbour_parameters(draw: st.DrawFn) -> NeighbourParameters:
    """Return valid parameters of neighbour statistics."""
    count = draw(st.integers(1, 12))
    ranks = st.sets(st.integers(1, count), min_size=1, max_size=3).map(sorted).map(tuple)
    return NeighbourParameters(
        neighbours=count,
        mean_counts=tuple(sorted({*draw(ranks), count})),
        covariate_counts=draw(ranks),
        median_count=draw(st.integers(1, count)),
        extreme_counts=draw(ranks),
        distance_ranks=draw(ranks),
        rotations=tuple(draw(st.sets(st.integers(1, 179), min_size=1, max_size=3))),
        distance_offset=draw(st.floats(1e-6, 1.0)),
        ridge_share=draw(st.floats(0.0, 1.0)),
        largest_coordinate=1e9,
        largest_quotient=draw(st.floats(1.0, 1e200)),
    )


def records(schema: Schema, *, min_size: int = 0, max_size: int = 8) -> st.SearchStrategy[Any]:
    """Return a strategy for lists of records that fit a schema."""
    record = st.fixed_dictionaries({f.name: values(f) for f in schema.features})
    return st.lists(record, min_size=min_size, max_size=max_size)


def objects(cells: list[Any]) -> NDArray[np.object_]:
    """Return cells as an object column."""
    column = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        column[row] = cell
    return column


def table_of(rows: list[dict[str, Any]], names: tuple[str, ...]) -> Table:
    """Return records as a table of object columns; missing values are None."""
    columns: dict[str, Column] = {n: objects([row.get(n) for row in rows]) for n in names}
    return Table(columns, len(rows))
