"""The intervals of a model: its error-scale model with the quantiles of conformal scores."""

from collections.abc import Mapping
from dataclasses import dataclass

from application.ports import Predictor, Runtime
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema, Target
from domain.errors import ArtefactRejected
from domain.uncertainty.conformal import (
    UNCERTAINTY,
    Bounds,
    Quantiles,
    error_scale_rows,
    error_scale_schema,
)

# The names of the files of the error-scale model in a bundle begin with this.
_PREFIX = "spread."


@dataclass(frozen=True, slots=True)
class Intervals:
    """Computes intervals around predictions, within the target's range; used by several threads."""

    error_scale: Predictor
    quantiles: Quantiles
    target: Target

    def bounds(self, matrix: Matrix, predictions: Vector, level: float) -> Bounds:
        """Return the interval of each row of `matrix`, shape (rows, features), at a level.

        The interval of a row does not depend on the other rows, to the last bit.

        Raises:
            InvalidData: the level is not allowed.
        """
        self.quantiles.quantile(level)  # checks the level before anything is computed
        roots = self.error_scale.predict(error_scale_rows(matrix, predictions))
        return self.quantiles.bounds(predictions, roots, level).within_range(self.target)


def error_scale_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of an error-scale model under their names in a bundle."""
    return {f"{_PREFIX}{name}": content for name, content in files.items()}


def files_of_error_scale(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of the error-scale model in a bundle, under the names of a model's files."""
    return {
        name.removeprefix(_PREFIX): content
        for name, content in files.items()
        if name.startswith(_PREFIX)
    }


def load_intervals(
    runtime: Runtime, schema: Schema, files: Mapping[str, bytes]
) -> Intervals | None:
    """Load the intervals of a bundle; None without intervals.

    Raises:
        ArtefactRejected: the error-scale model cannot be loaded.
    """
    if UNCERTAINTY not in files:
        return None
    quantiles = Quantiles.from_bytes(files[UNCERTAINTY])
    try:
        error_scale = runtime.load(error_scale_schema(schema), files_of_error_scale(files))
    except ArtefactRejected as error:
        raise ArtefactRejected(f"the error-scale model: {error}") from error
    return Intervals(error_scale, quantiles, schema.target)
