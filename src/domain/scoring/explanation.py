"""Contributions of features, which add up to the prediction."""

from dataclasses import dataclass

import numpy as np

from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema, Target
from domain.errors import ArtefactRejected, InvalidData
from domain.features.encoding import FeatureEncoding

# The sum may differ by rounding, at most by this share of the sum of absolute contributions.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class FeatureContributions:
    """`base` plus one contribution per feature, shape (rows, features), in schema order."""

    base: float
    contributions: Matrix

    def require_sum(self, predictions: Vector, target: Target) -> None:
        """Check that base and contributions add up to the predictions, shape (rows,).

        A sum out of the range of the target has the nearest bound as its prediction.

        Raises:
            InvalidData: a sum is not finite: the values of the row overflow.
            ArtefactRejected: a sum is not the prediction: the explainer is of another model.
        """
        with np.errstate(all="ignore"):
            sums = self.base + np.sum(self.contributions, axis=1)
            sizes = abs(self.base) + np.sum(np.abs(self.contributions), axis=1)
            missed = np.abs(target.within_range(sums) - predictions)
        if not np.isfinite(sums).all():
            raise InvalidData("a row is too extreme to be explained: its contributions overflow")
        if len(missed) and not np.all(missed <= _ROUNDING * sizes):
            raise ArtefactRejected(
                f"contributions miss the prediction by up to {np.max(missed):.3g}: "
                f"the explanation is of another model"
            )


def shares(encoding: FeatureEncoding) -> Matrix:
    """Return the share of each feature in each column, shape (columns, features); rows sum to 1.

    Numbers and indicators belong to their feature, ratios to their two features in equal shares.
    Neighbour statistics belong to the location: half to each coordinate. Where one is combined with
    a covariate of the row, half of it belongs to the covariate.
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
    coordinates = schema.coordinates
    if encoding.neighbour_statistics is not None and coordinates is not None:
        location = (of_name[coordinates.latitude] + of_name[coordinates.longitude]) / 2
        rows += [
            location if own is None else (location + of_name[own]) / 2
            for own in encoding.neighbour_statistics.own_covariates
        ]
    return np.array(rows)


def _one(schema: Schema, name: str) -> Vector:
    return np.array([float(feature.name == name) for feature in schema.features])
