import tomllib
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.schema_toml import SCHEMA
from domain.canonical_json import json_bytes
from domain.data.feature import Feature, Kind
from domain.data.schema import Card, Schema, Target
from domain.errors import Misconfigured
from tests.support.strategies import CELLS, schemas

FILE = """
name = "houses"
description = "Block groups."

[target]
name = "price"
unit = "dollars"

[coordinates]
latitude = "lat"
longitude = "lon"

[[features]]
name = "lat"
kind = "number"
unit = "°"
range = [-90, 90]

[[features]]
name = "lon"
kind = "number"
range = [-inf, 180.0]

[[features]]
name = "rooms"
kind = "integer"
nullable = true
example = 5

[[features]]
name = "place"
kind = "category"
categories = ["sea", "land"]

[[derived]]
name = "rooms_by_lat"
ratio = ["rooms", "lat"]
"""


def _read(mapping: object) -> Schema:
    return SCHEMA.values(mapping, "houses.toml")


@given(schemas())
def test_a_schema_comes_back_from_its_mapping(schema: Schema) -> None:
    assert _read(schema.to_mapping()) == schema


@given(schemas())
def test_a_schema_comes_back_from_json(schema: Schema) -> None:
    assert SCHEMA.json(json_bytes(schema.to_mapping()), "houses.toml") == schema


def test_a_file_is_read_as_it_is_meant() -> None:
    schema = _read(tomllib.loads(FILE))
    lat, lon, rooms, place = schema.features
    assert (schema.name, schema.target.name, schema.target.unit) == ("houses", "price", "dollars")
    assert (lat.low, lat.high, lat.unit) == (-90.0, 90.0, "°")
    assert (lon.low, lon.high) == (None, 180.0)
    assert (rooms.kind, rooms.nullable, rooms.example) == (Kind.INTEGER, True, 5)
    assert place.categories == ("sea", "land")
    assert schema.ratios[0].denominator == "lat"
    assert schema.coordinates is not None
    assert schema.coordinates.longitude == "lon"


@pytest.mark.parametrize(
    ("written", "instead", "place"),
    [
        ('name = "houses"', "", "toml: name: is missing"),
        ('name = "houses"', "name = 3", "toml: name: expected text"),
        ('name = "houses"', 'name = "my houses"', "schema 'my houses': the name must be"),
        (
            'name = "houses"',
            'nmae = "houses"',
            "unknown key 'nmae'; allowed: card, coordinates, derived,",
        ),
        ('description = "Block', 'title = "Block', "toml: unknown key 'title'; allowed: "),
        ('unit = "dollars"', "unit = 1", "target.unit: expected text"),
        ('unit = "dollars"', 'unti = "a"', "target: unknown key 'unti'"),
        ('latitude = "lat"', "", "coordinates.latitude: is missing"),
        ('latitude = "lat"', 'latitude = "la"', "schema 'houses': la must be a feature of kind"),
        ('kind = "integer"', "", "features.rooms.kind: is missing"),
        ('kind = "integer"', 'kind = "int"', "features.rooms.kind: 'int' is not one of 'number',"),
        ("nullable = true", 'nullable = "yes"', "features.rooms.nullable: expected true or false"),
        ("nullable = true", "nulable = true", "features.rooms: unknown key 'nulable'; allowed: "),
        ("example = 5", "example = [5]", "rooms.example: expected true or false or an"),
        ("example = 5", "example = 5.5", "feature 'rooms': the example is not a whole number"),
        ("range = [-90, 90]", "range = [90, -90]", "feature 'lat': `range` is not from a lower"),
        ("range = [-90, 90]", "range = [inf, 90]", "feature 'lat': `range` is not from a lower"),
        ("range = [-90, 90]", "range = [nan, 90]", "feature 'lat': `range` is not from a lower"),
        ("range = [-90, 90]", "range = [-90]", "features.lat.range: expected a list of 2 numbers"),
        ("range = [-90, 90]", 'range = ["a", "b"]', "features.lat.range.1: expected a number"),
        ("range = [-90, 90]", f"range = [0, 1{'0' * 400}]", "range.2: is beyond the largest"),
        ('["sea", "land"]', '["sea", "sea"]', "feature 'place': a category is listed twice"),
        ('["sea", "land"]', "[1, 2]", "features.place.categories.1: expected text"),
        ('["sea", "land"]', "[]", "feature 'place': a category needs `categories`"),
        ('name = "place"', 'name = "lat"', "schema 'houses': lat appears twice"),
        ('["rooms", "lat"]', '["rooms"]', "derived.rooms_by_lat.ratio: expected a list of 2 texts"),
        ('["rooms", "lat"]', '["rooms", "x"]', "schema 'houses': x must be a feature of kind"),
        ('["rooms", "lat"]', '["rooms", "place"]', "place must be a feature of kind number"),
    ],
)
def test_a_misreading_says_in_which_file_and_where(written: str, instead: str, place: str) -> None:
    assert FILE.count(written) == 1
    with pytest.raises(Misconfigured) as error:
        SCHEMA.toml(FILE.replace(written, instead), "houses.toml")
    assert str(error.value).startswith("houses.toml: ")
    assert place in str(error.value)


def _places(tree: Any) -> list[tuple[Any, Any]]:
    steps = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree))
    nested = [found for _, sub in steps if isinstance(sub, dict | list) for found in _places(sub)]
    return [(tree, key) for key, _ in steps] + nested


@given(st.data(), CELLS)
def test_any_value_in_any_place_is_either_read_or_refused_by_file(
    data: st.DataObject, value: Any
) -> None:
    mapping = deepcopy(tomllib.loads(FILE))
    container, key = data.draw(st.sampled_from(_places(mapping)))
    container[key] = value
    complaint = "houses.toml: "
    try:
        schema = _read(mapping)
        assert _read(schema.to_mapping()) == schema
    except Misconfigured as error:
        complaint = str(error)
    assert complaint.startswith("houses.toml: ")


@pytest.mark.parametrize("mapping", [None, [], "name", 3])
def test_what_is_no_table_is_refused(mapping: object) -> None:
    with pytest.raises(Misconfigured, match=r"^houses\.toml: expected a table"):
        _read(mapping)


def test_a_card_comes_back_from_its_table_and_unknown_keys_are_named() -> None:
    card = Card(("use",), ("not this",), "somewhere", ("short",))
    schema = Schema("s", Target("y"), (Feature("x", Kind.NUMBER),), card=card)
    mapping = schema.to_mapping()
    assert SCHEMA.values(mapping, "f.toml") == schema
    mapping["card"]["licence"] = "none"
    with pytest.raises(Misconfigured, match=r"f\.toml: card: unknown key 'licence'"):
        SCHEMA.values(mapping, "f.toml")
