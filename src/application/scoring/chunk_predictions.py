"""What a model answers to the rows of a chunk, and which of them it cannot answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from application.model.load_model import LoadedModel
from domain.data.schema import Matrix
from domain.data.table import Column, Table
from domain.errors import Violation
from domain.scoring.batch_job import EXTRAPOLATES, LOWER, PREDICTION, SEPARATOR, UPPER
from domain.scoring.prediction import PredictionOptions, unanswered

_ASKED_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model answers: `columns` for the `rows` that it answers, and those it cannot."""

    rows: NDArray[np.intp]
    columns: Mapping[str, Column]
    lacking: tuple[Violation, ...]


def answers(
    model: LoadedModel, matrix: Matrix, rows: NDArray[np.intp], extras: PredictionOptions
) -> Answers:
    """Ask for as many rows at a time as fit into a cache; the answers are the same."""
    starts = range(0, max(len(rows), 1), _ASKED_AT_ONCE)
    parts = [_ask(model, matrix[rows[at : at + _ASKED_AT_ONCE]], at, extras) for at in starts]
    tables = [Table.of(part.columns) for part in parts]
    return Answers(
        np.concatenate([part.rows for part in parts]),
        Table.concat(tables).columns,
        tuple(violation for part in parts for violation in part.lacking),
    )


def _ask(model: LoadedModel, matrix: Matrix, first: int, extras: PredictionOptions) -> Answers:
    predictions = model.predictor.predict(matrix)
    lacking = [*unanswered(predictions)]
    rows = np.flatnonzero(np.isfinite(predictions))
    columns: dict[str, Column] = {PREDICTION: predictions[rows]}
    if extras.interval is not None:
        bounds = model.bounds(matrix[rows], predictions[rows], extras.interval)
        lacking += [replace(v, row=int(rows[v.row])) for v in unanswered(bounds.width)]
        finite = np.isfinite(bounds.width)
        rows, columns = rows[finite], {PREDICTION: predictions[rows[finite]]}
        columns |= {LOWER: bounds.lower[finite], UPPER: bounds.upper[finite]}
    if extras.extrapolates:
        columns[EXTRAPOLATES] = _named(model.beyond(matrix[rows]))
    return Answers(rows + first, columns, tuple(replace(v, row=v.row + first) for v in lacking))


def _named(beyond: Sequence[tuple[str, ...]]) -> NDArray[np.object_]:
    """Return the names of features as texts, None where there are none."""
    texts = np.empty(len(beyond), dtype=object)
    texts[:] = [SEPARATOR.join(names) or None for names in beyond]
    return texts
