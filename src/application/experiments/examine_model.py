"""Looking closely at one specification: how it learns, what it goes by, and where it errs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from application.data.labelled_rows import LabelledRows
from application.ports import Predictor
from application.training.cross_validate import CrossValidate, rmse
from domain.data.schema import Schema
from domain.evaluation.diagnostics import calibration, error_by_part, on_map, shuffles
from domain.evaluation.segments import segments
from domain.training.cross_validation import CrossValidation, Folding, growing
from domain.training.specification import TrainingSpec

# How often each feature is shuffled.
_REPEATS = 3


@dataclass(frozen=True)
class ExamineModel:
    """Says of a model what no single figure says; it sees the training rows only."""

    cross_validate: CrossValidate

    def __call__(
        self,
        spec: TrainingSpec,
        schema: Schema,
        rows: LabelledRows,
        folding: Folding,
        found: CrossValidation,
    ) -> Mapping[str, Any]:
        """Return findings as JSON values; errors are those of rows that a model had not seen."""
        fold = folding.of(len(rows))[0]
        folds = growing(fold)
        judged = rows[fold.judged]
        models = list(self.cross_validate.fits(spec, schema, rows, folds))
        served = self.cross_validate.runtime.load(schema, models[-1].files)
        parts = segments(schema, rows.matrix, found.predictions)
        return {
            "curve": [
                {"rows": len(part.training), "rmse": rmse(judged.target, model.answers)}
                for part, model in zip(folds, models, strict=True)
            ],
            "importance": _importance(served, schema, judged),
            "parts": error_by_part(parts, rows.target, found.predictions),
            "calibration": calibration(rows.target, found.predictions),
            "map": on_map(schema, rows.matrix, found.predictions - rows.target),
        }


def _importance(served: Predictor, schema: Schema, judged: LabelledRows) -> list[dict[str, Any]]:
    """Return by how much the RMSE rises when a feature is shuffled, the most important first."""
    before = rmse(judged.target, served.predict(judged.matrix))
    found = []
    for shuffled in shuffles(schema):
        rises = [
            rmse(judged.target, served.predict(shuffled(judged.matrix, seed))) - before
            for seed in range(_REPEATS)
        ]
        found.append({"feature": shuffled.name, "rise": float(np.mean(rises))})
    return sorted(found, key=lambda one: -float(one["rise"]))
