"""Rows of the small schema to fit on and to ask, for the contracts of learners and runtimes."""

from dataclasses import replace

import numpy as np

from domain.data.feature import Feature, Kind, Vector
from domain.data.schema import Matrix, Schema, Target
from tests.support.samples import SCHEMA, sample_table

POOL = 160

OTHER_SCHEMA = Schema(
    SCHEMA.name,
    Target("yield"),
    (Feature("height", Kind.NUMBER), Feature("sort", Kind.CATEGORY, categories=("apple", "pear"))),
)


def bounded(predictions: Vector) -> Schema:
    """Return the small schema with a target whose range excludes half of the predictions.

    If all are the same, it excludes them all.
    """
    low, high = np.nanquantile(predictions, [0.25, 0.75]).tolist()
    if low == high:
        low, high = low + 1, high + 2
    return replace(SCHEMA, target=replace(SCHEMA.target, low=low, high=high))


def labelled(rows: int = 300, seed: int = 0) -> tuple[Matrix, Vector]:
    """Return rows to fit on, and their target; they cannot be written to."""
    table = sample_table(rows, seed)
    matrix, target = SCHEMA.encode_table(table).matrix, SCHEMA.encode_target(table)[0]
    for array in (matrix, target):
        array.setflags(write=False)
    return matrix, target


def pool() -> Matrix:
    """Return `POOL` rows to ask: ordinary ones, some without values, some far from all others."""
    random = np.random.default_rng(5)
    matrix = labelled(POOL, seed=1)[0].copy()
    gaps = random.random(matrix.shape) < 0.4
    gaps[: POOL // 2] = False
    matrix[gaps] = np.nan
    matrix[-3] = np.nan
    matrix[-20:-10, :2] *= 1e6
    matrix[-10:-5, :2] *= -1e-6
    matrix.setflags(write=False)
    return matrix
