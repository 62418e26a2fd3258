"""The inverse of the encoding of features."""

from collections.abc import Sequence
from math import isnan

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema


def decoded(feature: Feature, number: float) -> float | int | str | bool | None:
    """Return the value of an encoded number."""
    if isnan(number):
        return None
    match feature.kind:
        case Kind.CATEGORY:
            return feature.categories[int(number)]
        case Kind.BOOLEAN:
            return bool(number)
        case Kind.INTEGER:
            return int(number)
        case Kind.NUMBER:
            return number


def decoded_record(
    schema: Schema, vector: Sequence[float]
) -> dict[str, float | int | str | bool | None]:
    """Return the record of an encoded vector."""
    pairs = zip(schema.features, vector, strict=True)
    return {feature.name: decoded(feature, number) for feature, number in pairs}
