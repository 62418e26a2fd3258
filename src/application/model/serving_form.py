"""Predictors from the files of a bundle: the encoding, and a serving form that scores columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from application.ports import Predictor
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema, Target
from domain.errors import ArtefactRejected
from domain.features.encoding import ENCODING, FeatureEncoding
from domain.features.neighbour_statistics import StatisticsCompiler

# From columns, shape (rows, columns) with one row or more, to one number per row. The number of a
# row does not depend on the other rows, to the last bit.
ScoreColumns: TypeAlias = Callable[[Matrix], Vector]


class OpenServingForm(Protocol):
    """Opens the serving form in a bundle."""

    def __call__(self, files: Mapping[str, bytes], width: int) -> ScoreColumns:
        """Return the function that scores `width` columns.

        Raises:
            ArtefactRejected: the files have no such serving form.
        """
        ...


@dataclass(frozen=True, slots=True)
class EncodedPredictor:
    """An `EncodingPredictor` of an encoding and a serving form, within the target's range."""

    encoding: FeatureEncoding
    score_columns: ScoreColumns
    target: Target

    def encode(self, matrix: Matrix) -> Matrix:
        """Return the columns of rows, shape (rows, features)."""
        return self.encoding.transform(matrix)

    def score(self, columns: Matrix) -> Vector:
        """Return one prediction per row of columns."""
        if not len(columns):
            return np.empty(0)
        return self.target.within_range(self.score_columns(columns))

    def predict(self, matrix: Matrix) -> Vector:
        """Return one prediction per row of `matrix`, shape (rows, features)."""
        return self.score(self.encode(matrix))


@dataclass(frozen=True, slots=True)
class ServingFormRuntime:
    """A `Runtime` of encoding and serving form; neighbour statistics may be compiled."""

    open_serving_form: OpenServingForm
    statistics_compiler: StatisticsCompiler | None = None

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Predictor:
        """Load the serving form.

        Raises:
            ArtefactRejected: the files are not a model for this schema.
        """
        require_file(files, ENCODING)
        encoding = FeatureEncoding.from_files(schema, files, self.statistics_compiler)
        score_columns = self.open_serving_form(files, len(encoding.names))
        return EncodedPredictor(encoding, score_columns, schema.target)


def require_file(files: Mapping[str, bytes], name: str) -> bytes:
    """Return the content of a file.

    Raises:
        ArtefactRejected: the bundle has no such file.
    """
    if name not in files:
        raise ArtefactRejected(f"the bundle has no {name}")
    return files[name]
