"""Golden rows: inputs with their exact predictions, checked at every load."""

import json
from dataclasses import dataclass
from math import isnan
from typing import Self

import numpy as np

from domain.canonical_json import json_bytes
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected
from domain.evaluation.metrics import require_parity
from domain.model.probe_rows import far_away, without_nullable

_KEPT = 40
_UNUSUAL = 10


def choose(schema: Schema, matrix: Matrix) -> Matrix:
    """Return up to sixty rows: evenly spaced, some with missing values, some moved far away."""
    spaced = np.unique(np.linspace(0, len(matrix) - 1, _KEPT).astype(np.intp))
    kept = matrix[spaced]
    some = kept[:_UNUSUAL]
    return np.concatenate([kept, without_nullable(schema, some), far_away(schema, some)])


@dataclass(frozen=True, slots=True)
class GoldenRows:
    """Inputs, shape (rows, features), and their exact predictions, shape (rows,)."""

    inputs: Matrix
    outputs: Vector

    def check(self, predictions: Vector) -> None:
        """Compare the predictions of a loaded model with the stored ones.

        Raises:
            ArtefactRejected: a prediction differs.
        """
        require_parity(self.outputs, predictions, "golden rows")

    def to_bytes(self) -> bytes:
        """Return the rows as JSON; a missing value is null."""
        inputs = [[None if isnan(v) else v for v in row] for row in self.inputs.tolist()]
        return json_bytes({"inputs": inputs, "outputs": self.outputs.tolist()})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the rows in a file.

        Raises:
            ArtefactRejected: they are not in the form of `to_bytes`.
        """
        try:
            kept = json.loads(content)
            inputs = np.array(kept["inputs"], dtype=np.float64)
            outputs = np.array(kept["outputs"], dtype=np.float64)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise ArtefactRejected(f"golden.json cannot be read: {error}") from error
        if inputs.ndim != 2 or outputs.shape != (len(inputs),):
            raise ArtefactRejected("golden.json cannot be read: expected one output per row")
        return cls(inputs, outputs)
