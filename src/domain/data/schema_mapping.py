"""A schema as the tables of a schema file (TOML) or of a manifest (JSON)."""

from typing import Any

from domain.canonical_json import json_value
from domain.data.feature import Feature
from domain.data.schema import Schema


def schema_to_mapping(schema: Schema) -> dict[str, Any]:
    """Return a schema as JSON values, in the form of a schema file."""
    mapping: dict[str, Any] = {
        "name": schema.name,
        "description": schema.description,
        "target": json_value(schema.target),
    }
    if schema.card:
        mapping["card"] = json_value(schema.card)
    if schema.coordinates:
        mapping["coordinates"] = json_value(schema.coordinates)
    mapping["features"] = [_feature_to_mapping(feature) for feature in schema.features]
    mapping["derived"] = [
        {"name": ratio.name, "ratio": [ratio.numerator, ratio.denominator]}
        for ratio in schema.ratios
    ]
    return mapping


def _feature_to_mapping(feature: Feature) -> dict[str, Any]:
    bounded = feature.low is not None or feature.high is not None
    optional: dict[str, Any] = {
        "unit": feature.unit,
        "range": [feature.low, feature.high] if bounded else None,
        "nullable": feature.nullable,
        "categories": list(feature.categories),
        "description": feature.description,
    }
    mapping = {"name": feature.name, "kind": feature.kind.value}
    mapping |= {key: value for key, value in optional.items() if value}
    return mapping if feature.example is None else {**mapping, "example": feature.example}
