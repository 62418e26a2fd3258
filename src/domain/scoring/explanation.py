"""What each feature adds to a prediction: contributions that sum up to it, exactly."""

from dataclasses import dataclass

import numpy as np

from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected, InvalidData
from domain.features.encoding import FeatureEncoding

# Contributions may miss the prediction by what rounding makes of such a share of their size.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class FeatureContributions:
    """`base` and what each feature adds to it, shape (rows, features), in schema order."""

    base: float
    contributions: Matrix

    def require_sum(self, predictions: Vector) -> None:
        """Check that base and contributions add up to the predictions, shape (rows,).

        Raises:
            InvalidData: a sum is not finite, for rows so extreme that the arithmetic overflowed.
            ArtefactRejected: a sum is not the prediction: the explanation is of another model.
        """
        with np.errstate(all="ignore"):
            sums = self.base + np.sum(self.contributions, axis=1)
            sizes = abs(self.base) + np.sum(np.abs(self.contributions), axis=1)
            missed = np.abs(sums - predictions)
        if not np.isfinite(sums).all():
            raise InvalidData("a row is too extreme to be explained")
        if len(missed) and not np.all(missed <= _ROUNDING * sizes):
            raise ArtefactRejected(
                f"contributions miss the prediction by up to {np.max(missed):.3g}: "
                f"the explanation is not of the model that answers"
            )


def shares(encoding: FeatureEncoding) -> Matrix:
    """Return how a column's contribution is shared out, shape (columns, features); rows sum to 1.

    A number and an indicator belong to their feature. A ratio is shared by its two features, half
    and half. What the nearest training rows are like belongs to the place, that is, half to each
    coordinate; where it is held against a value of the row, half of it belongs to that value.
    """
    schema = encoding.schema
    of_name = {feature.name: _one(schema, feature.name) for feature in schema.features}
    of_name |= {
        ratio.name: (of_name[ratio.numerator] + of_name[ratio.denominator]) / 2
        for ratio in schema.ratios
    }
    rows = [of_name[feature.name] for feature in schema.features if not feature.categories]
    rows += [of_name[feature.name] for feature in schema.features for _ in feature.categories]
    rows += [of_name[ratio.name] for ratio in schema.ratios]
    where = schema.coordinates
    if encoding.neighbour_statistics is not None and where is not None:
        place = (of_name[where.latitude] + of_name[where.longitude]) / 2
        rows += [
            place if own is None else (place + of_name[own]) / 2
            for own in encoding.neighbour_statistics.own_covariates
        ]
    return np.array(rows)


def _one(schema: Schema, name: str) -> Vector:
    return np.array([float(feature.name == name) for feature in schema.features])
