"""Diagnostics of one specification: learning curve, feature importance, errors by segment."""

from dataclasses import dataclass

import numpy as np

from application.data.labelled_rows import LabelledRows
from application.ports import Predictor
from application.training.cross_validate import CrossValidate, rmse
from domain.data.schema import Schema
from domain.evaluation.diagnostics import calibration, error_by_segment, on_map, shuffles
from domain.evaluation.segments import segments
from domain.experiments.results import Examination, Importance, LearningPoint
from domain.training.cross_validation import CrossValidation, Folding, growing
from domain.training.specification import TrainingSpec

# How often each feature is shuffled.
_REPEATS = 3


@dataclass(frozen=True)
class ExamineModel:
    """Computes diagnostics of a model; it uses training rows only."""

    cross_validate: CrossValidate

    def __call__(
        self,
        spec: TrainingSpec,
        schema: Schema,
        rows: LabelledRows,
        folding: Folding,
        found: CrossValidation,
    ) -> Examination:
        """Return diagnostics; errors are those of rows that a model was not fitted on."""
        fold = folding.of(len(rows))[0]
        folds = growing(fold)
        other = rows[fold.holdout]
        models = list(self.cross_validate.fits(spec, schema, rows, folds))
        served = self.cross_validate.runtime.load(schema, models[-1].files)
        parts = segments(schema, rows.matrix, found.predictions)
        return Examination(
            curve=[
                LearningPoint(len(part.training), rmse(other.target, model.predictions))
                for part, model in zip(folds, models, strict=True)
            ],
            importance=_importance(served, schema, other),
            parts=error_by_segment(parts, rows.target, found.predictions),
            calibration=calibration(rows.target, found.predictions),
            map=on_map(schema, rows.matrix, found.predictions - rows.target),
        )


def _importance(served: Predictor, schema: Schema, rows: LabelledRows) -> list[Importance]:
    """Return by how much the RMSE rises when a feature is shuffled, the most important first."""
    before = rmse(rows.target, served.predict(rows.matrix))
    found = []
    for shuffled in shuffles(schema):
        rises = [
            rmse(rows.target, served.predict(shuffled(rows.matrix, seed))) - before
            for seed in range(_REPEATS)
        ]
        found.append(Importance(shuffled.name, float(np.mean(rises))))
    return sorted(found, key=lambda one: -one.rise)
