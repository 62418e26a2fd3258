"""From the files of a bundle to a predictor: what the runtimes have in common.

A bundle holds how rows become columns, and a numeric model over those columns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from application.ports import Predictor
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected
from domain.features.encoding import ENCODING, FeatureEncoding
from domain.features.neighbours import StatisticsCompiler

# From columns, shape (rows, columns) with at least one row, to one number per row: for a row the
# same to the last bit whatever rows are asked with it.
Score: TypeAlias = Callable[[Matrix], Vector]


class Opener(Protocol):
    """Opens numeric models."""

    def __call__(self, files: Mapping[str, bytes], width: int) -> Score:
        """Return the numeric model over `width` columns.

        Raises:
            ArtefactRejected: the files are not such a model.
        """
        ...


@dataclass(frozen=True, slots=True)
class EncodedPredictor:
    """Answers with a numeric model."""

    encoding: FeatureEncoding
    score: Score

    def predict(self, matrix: Matrix) -> Vector:
        """Return one prediction per row of `matrix`, shape (rows, features)."""
        if not len(matrix):
            return np.empty(0)
        return self.score(self.encoding.transform(matrix))


@dataclass(frozen=True, slots=True)
class NumericRuntime:
    """A `Runtime` by the way in which numeric models are opened, and places may be surveyed."""

    open_numeric: Opener
    statistics_compiler: StatisticsCompiler | None = None

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Predictor:
        """Load the serving form.

        Raises:
            ArtefactRejected: the files are not a model for this schema.
        """
        required(files, ENCODING)
        encoding = FeatureEncoding.from_files(schema, files, self.statistics_compiler)
        return EncodedPredictor(encoding, self.open_numeric(files, len(encoding.names)))


def required(files: Mapping[str, bytes], name: str) -> bytes:
    """Return the content of a file.

    Raises:
        ArtefactRejected: it is not there.
    """
    if name not in files:
        raise ArtefactRejected(f"the bundle has no {name}")
    return files[name]
