"""A model for pandas: a DataFrame in, predictions out."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from application.ports import Predictor
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.data.table import Coded, Column, Table
from domain.errors import InvalidData, InvalidRows

# Rows that one thread predicts at a time.
_ROWS_PER_PART = 1 << 14


@dataclass(frozen=True, slots=True)
class FrameModel:
    """Validates the rows of a data frame by the schema and predicts all of them, or none."""

    schema: Schema
    predictor: Predictor

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Vector:  # noqa: ARG002
        """Return one prediction per row; other columns than the features are ignored.

        A nullable feature may have no column. `params` is there since MLflow passes it.

        Raises:
            MlflowException: a feature has no column or a value is not allowed; says which, and in
                which row, counted from zero. MLflow's servers answer it with status 400.
        """
        from mlflow.exceptions import MlflowException

        frame = model_input if isinstance(model_input, pd.DataFrame) else pd.DataFrame(model_input)
        try:
            return self._predict(self._encode(frame))
        except InvalidData as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error

    def _predict(self, matrix: Matrix) -> Vector:
        """Predict on all cores: the prediction of a row does not depend on the other rows."""
        if len(matrix) <= _ROWS_PER_PART:
            return self.predictor.predict(matrix)
        parts = np.array_split(matrix, -(-len(matrix) // _ROWS_PER_PART))
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return np.concatenate([*threads.map(self.predictor.predict, parts)])

    def _encode(self, frame: pd.DataFrame) -> Matrix:
        missing = [f.name for f in self.schema.features if f.nullable and f.name not in frame]
        self.schema.require([*map(str, frame.columns), *missing], "the data frame")
        nothing = np.full(len(frame), None, dtype=object)
        columns = {
            name: _column(frame[name]) if name in frame else nothing for name in self.schema.names
        }
        encoded = self.schema.encode_table(Table(columns, len(frame)))
        if encoded.violations:
            raise InvalidRows(encoded.violations)
        return encoded.matrix


def _column(series: "pd.Series[Any]") -> Column:
    """Return numbers and booleans as numpy has them, text by code, else objects; missing: None."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return series.to_numpy()
    if pd.api.types.infer_dtype(series) == "string":
        codes, texts = pd.factorize(series)
        return Coded(codes.astype(np.int32), texts.tolist())
    objects = series.astype(object)
    return objects.where(series.notna(), None).to_numpy(dtype=object)
