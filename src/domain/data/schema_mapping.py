"""A schema as the tables of a schema file (TOML) or of a manifest (JSON)."""

from typing import Any

from domain.data.feature import Feature, Kind
from domain.data.mapping_reader import Reader
from domain.data.schema import Card, Coordinates, Ratio, Schema, Target
from domain.errors import Misconfigured


def schema_to_mapping(schema: Schema) -> dict[str, Any]:
    """Return a schema as it would stand in a schema file; values that JSON can hold."""
    mapping: dict[str, Any] = {"name": schema.name, "description": schema.description}
    mapping["target"] = {
        "name": schema.target.name,
        "unit": schema.target.unit,
        "description": schema.target.description,
    }
    if schema.card:
        mapping["card"] = _card_to_mapping(schema.card)
    if schema.coordinates:
        mapping["coordinates"] = {
            "latitude": schema.coordinates.latitude,
            "longitude": schema.coordinates.longitude,
        }
    mapping["features"] = [_feature_to_mapping(feature) for feature in schema.features]
    mapping["derived"] = [
        {"name": ratio.name, "ratio": [ratio.numerator, ratio.denominator]}
        for ratio in schema.ratios
    ]
    return mapping


def schema_from_mapping(mapping: object, where: str) -> Schema:
    """Read a schema from the tables of a schema file.

    Raises:
        Misconfigured: a key is missing, unknown or of the wrong type; says where.
    """
    try:
        return _read_schema(Reader(mapping, "schema"))
    except Misconfigured as error:
        raise Misconfigured(f"{where}: {error}") from None


def _read_schema(reader: Reader) -> Schema:
    schema = Schema(
        name=reader.text("name"),
        description=reader.text("description", ""),
        target=_read_target(reader.table("target")),
        features=tuple(_read_feature(item) for item in reader.tables("features")),
        ratios=tuple(_read_ratio(item) for item in reader.tables("derived", optional=True)),
        coordinates=_read_coordinates(reader.table("coordinates"))
        if reader.has("coordinates")
        else None,
        card=_read_card(reader.table("card")) if reader.has("card") else None,
    )
    reader.finish()
    return schema


def _feature_to_mapping(feature: Feature) -> dict[str, Any]:
    mapping: dict[str, Any] = {"name": feature.name, "kind": feature.kind.value}
    if feature.unit:
        mapping["unit"] = feature.unit
    if feature.low is not None or feature.high is not None:
        mapping["range"] = [feature.low, feature.high]
    if feature.nullable:
        mapping["nullable"] = True
    if feature.categories:
        mapping["categories"] = list(feature.categories)
    if feature.description:
        mapping["description"] = feature.description
    if feature.example is not None:
        mapping["example"] = feature.example
    return mapping


def _read_feature(reader: Reader) -> Feature:
    low, high = reader.interval("range")
    feature = Feature(
        name=reader.text("name"),
        kind=reader.choice("kind", Kind),
        unit=reader.text("unit", ""),
        low=low,
        high=high,
        nullable=reader.flag("nullable", default=False),
        categories=reader.texts("categories"),
        description=reader.text("description", ""),
        example=reader.scalar("example"),
    )
    reader.finish()
    return feature


def _read_target(reader: Reader) -> Target:
    target = Target(reader.text("name"), reader.text("unit", ""), reader.text("description", ""))
    reader.finish()
    return target


def _read_ratio(reader: Reader) -> Ratio:
    name, parts = reader.text("name"), reader.texts("ratio")
    reader.finish()
    if len(parts) != 2:
        raise Misconfigured(f"derived {name!r}: `ratio` needs a numerator and a denominator")
    return Ratio(name, *parts)


def _card_to_mapping(card: Card) -> dict[str, Any]:
    return {
        "intended_use": list(card.intended_use),
        "out_of_scope": list(card.out_of_scope),
        "source": card.source,
        "limits": list(card.limits),
    }


def _read_card(reader: Reader) -> Card:
    card = Card(
        intended_use=reader.texts("intended_use"),
        out_of_scope=reader.texts("out_of_scope"),
        source=reader.text("source", ""),
        limits=reader.texts("limits"),
    )
    reader.finish()
    return card


def _read_coordinates(reader: Reader) -> Coordinates:
    coordinates = Coordinates(reader.text("latitude"), reader.text("longitude"))
    reader.finish()
    return coordinates
