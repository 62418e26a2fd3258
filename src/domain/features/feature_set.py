"""Which columns an estimator gets."""

from enum import StrEnum


class FeatureSet(StrEnum):
    """Which columns an estimator gets: those of the row itself, or also neighbour statistics."""

    PLAIN = "plain"
    SPATIAL = "spatial"
