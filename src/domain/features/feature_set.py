"""Which columns an estimator sees."""

from enum import StrEnum


class FeatureSet(StrEnum):
    """Which columns an estimator sees.

    `plain` are those of the row itself, `spatial` also what the nearest training rows are like.
    """

    PLAIN = "plain"
    SPATIAL = "spatial"
