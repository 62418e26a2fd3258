"""A model's intervals: the spread model beside it, and the files that both are kept in."""

from collections.abc import Mapping
from dataclasses import dataclass

from application.ports import Predictor, Runtime
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected
from domain.uncertainty.conformal import UNCERTAINTY, Bounds, Quantiles, spread_rows, spread_schema

# The spread model is a model like any other: the names of its files begin with this.
_SPREAD = "spread."


@dataclass(frozen=True, slots=True)
class Intervals:
    """Gives intervals around a model's predictions. Safe to use from several threads."""

    spread: Predictor
    quantiles: Quantiles

    def bounds(self, matrix: Matrix, predictions: Vector, level: float) -> Bounds:
        """Return the interval of each row of `matrix`, shape (rows, features), at a level.

        Like a prediction, it is the same to the last bit whatever rows are asked with it.

        Raises:
            InvalidData: this level cannot be given.
        """
        self.quantiles.quantile(level)  # refuses before anything is computed
        roots = self.spread.predict(spread_rows(matrix, predictions))
        return self.quantiles.bounds(predictions, roots, level)


def as_spread(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of a spread model under the names that they have in a bundle."""
    return {f"{_SPREAD}{name}": content for name, content in files.items()}


def of_spread(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of the spread model in a bundle, under the names that a model's have."""
    return {
        name.removeprefix(_SPREAD): content
        for name, content in files.items()
        if name.startswith(_SPREAD)
    }


def load_intervals(
    runtime: Runtime, schema: Schema, files: Mapping[str, bytes]
) -> Intervals | None:
    """Load the spread model in a bundle; None where the bundle has none.

    Raises:
        ArtefactRejected: it cannot be run.
    """
    if UNCERTAINTY not in files:
        return None
    quantiles = Quantiles.from_bytes(files[UNCERTAINTY])
    try:
        spread = runtime.load(spread_schema(schema), of_spread(files))
    except ArtefactRejected as error:
        raise ArtefactRejected(f"the spread model: {error}") from error
    return Intervals(spread, quantiles)
