import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical_json import json_bytes
from domain.data.feature import Feature, Kind
from domain.data.profile import CELL, profile
from domain.data.schema import Coordinates, Matrix, Schema, Target
from domain.errors import ArtefactRejected
from domain.model.applicability import ApplicabilityDomain
from tests.support.strategies import records, schemas

NAN = float("nan")
SCHEMA = Schema(
    "houses",
    Target("price"),
    (
        Feature("north", Kind.NUMBER, nullable=True),
        Feature("east", Kind.NUMBER),
        Feature("rooms", Kind.INTEGER, nullable=True),
        Feature("place", Kind.CATEGORY, categories=("sea", "land", "moon"), nullable=True),
        Feature("new", Kind.BOOLEAN),
    ),
    coordinates=Coordinates("north", "east"),
)
# Along a diagonal of the map; nothing on the moon, nothing missing, nothing new.
TRAINED = np.column_stack(
    [
        np.linspace(30, 40, 101),
        np.linspace(-120, -110, 101),
        np.arange(101) % 7 + 1.0,
        np.arange(101) % 2,
        np.zeros(101),
    ]
)
ROW = [35.0, -115.0, 4.0, 1.0, 0.0]


def domain_of(schema: Schema, matrix: Matrix) -> ApplicabilityDomain:
    """Return the domain as a server knows it: from the bytes of a profile."""
    content = json_bytes(profile(schema, matrix, np.zeros(len(matrix))))
    return ApplicabilityDomain.of(schema, json.loads(content))


def beyond(*changes: tuple[int, float]) -> tuple[str, ...]:
    row = [*ROW]
    for place, value in changes:
        row[place] = value
    return domain_of(SCHEMA, TRAINED).out_of_domain(np.array([row]))[0]


def test_a_row_like_the_training_rows_extrapolates_nowhere() -> None:
    assert beyond() == ()


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (2, 0.0, "rooms"),
        (2, 8.0, "rooms"),
        (2, NAN, "rooms"),
        (3, 2.0, "place"),
        (3, NAN, "place"),
        (4, 1.0, "new"),
        (0, NAN, "north"),
    ],
)
def test_a_value_that_no_training_row_came_near_is_named(
    place: int, value: float, name: str
) -> None:
    assert beyond((place, value)) == (name,)


def test_ends_of_the_range_are_within() -> None:
    assert beyond((2, 1.0)) == beyond((2, 7.0)) == ()
    assert beyond((0, 40.0), (1, -110.0)) == ()


def test_a_place_far_from_every_training_row_is_named_though_each_coordinate_is_common() -> None:
    assert beyond((0, 31.0), (1, -111.0)) == ("north", "east")
    assert beyond((0, 35.0 + CELL), (1, -115.0)) == ()


def test_a_place_off_the_map_is_named_by_both_coordinates() -> None:
    assert beyond((0, 90.0)) == ("north", "east")
    assert beyond((0, 1e300)) == ("north", "east")


def test_the_result_of_a_row_does_not_depend_on_other_rows() -> None:
    rows = np.array([ROW, [90.0, *ROW[1:]], [*ROW[:2], 99.0, 2.0, 1.0], ROW])
    domain = domain_of(SCHEMA, TRAINED)
    assert domain.out_of_domain(rows) == [(), ("north", "east"), ("rooms", "place", "new"), ()]
    assert [domain.out_of_domain(row[None, :])[0] for row in rows] == domain.out_of_domain(rows)
    assert domain.out_of_domain(rows[:0]) == []


@given(st.data())
def test_training_rows_themselves_are_never_beyond(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    matrix = schema.encode_records(data.draw(records(schema, min_size=1)))
    assert domain_of(schema, matrix).out_of_domain(matrix) == [()] * len(matrix)


def test_a_profile_without_map_cells_can_be_read() -> None:
    kept = profile(SCHEMA, TRAINED, np.zeros(101))
    del kept["cells"]
    assert ApplicabilityDomain.of(SCHEMA, kept).out_of_domain(
        np.array([[31.0, -111.0, *ROW[2:]]])
    ) == [()]


def _changed(**changes: Any) -> dict[str, Any]:
    return {**profile(SCHEMA, TRAINED, np.zeros(101)), **changes}


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        _changed(features={}),
        _changed(features=[]),
        _changed(features={f.name: {} for f in SCHEMA.features}),
        _changed(cells={}),
        _changed(cells=[1]),
        _changed(cells=[[1]]),
        _changed(cells=[["a", "b"]]),
        _changed(cells=[[[], []]]),
    ],
)
def test_a_malformed_profile_is_rejected(content: object) -> None:
    with pytest.raises(ArtefactRejected, match=r"^profile\.json cannot be read"):
        ApplicabilityDomain.of(SCHEMA, content)
