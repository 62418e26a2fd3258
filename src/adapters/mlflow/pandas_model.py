"""A model for pandas: a DataFrame in, predictions out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from application.ports import Predictor
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.data.table import Table
from domain.errors import InvalidData, InvalidRows


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
            return self.predictor.predict(self._encode(frame))
        except InvalidData as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error

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


def _column(series: "pd.Series[Any]") -> NDArray[Any]:
    """Return numbers and booleans as numpy has them, anything else as objects, None if missing."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return series.to_numpy()
    objects = series.astype(object)
    return objects.where(series.notna(), None).to_numpy(dtype=object)
