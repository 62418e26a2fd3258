"""Predict for the rows of one request with the model in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from application.model.load_model import LoadedModel
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.data.table import Table
from domain.errors import InvalidData, InvalidRows, TooLarge
from domain.scoring.prediction import PLAIN, PredictionOptions, non_finite
from domain.uncertainty.conformal import Bounds


@dataclass(frozen=True, slots=True)
class Predictions:
    """One prediction per row, shape (rows,), in units of the target, and the model version.

    `bounds` and `extrapolates` (names of features, per row) are None without that option.

    Raises:
        InvalidRows: a prediction is not finite.
    """

    vector: Vector
    model: str
    bounds: Bounds | None = None
    extrapolates: Sequence[tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        violations = non_finite(self.vector)
        if self.bounds is not None:
            violations = violations or non_finite(self.bounds.width)
        if violations:
            raise InvalidRows(violations)

    @property
    def values(self) -> list[float]:
        """The predictions as Python numbers."""
        values: list[float] = self.vector.tolist()
        return values

    def to_mapping(self) -> dict[str, Any]:
        """Return JSON values, as in the response of the API."""
        mapping: dict[str, Any] = {"predictions": self.values}
        if self.bounds is not None:
            mapping["intervals"] = self.bounds.pairs
        if self.extrapolates is not None:
            mapping["extrapolates"] = [[*names] for names in self.extrapolates]
        mapping["model"] = self.model
        return mapping


@dataclass(frozen=True)
class PredictOne:
    """Checks rows against the schema of the current model, which `model` returns, and predicts.

    Records and tables are encoded by the same rules.
    """

    model: Callable[[], LoadedModel]
    max_rows: int

    def __call__(
        self, records: Sequence[object], options: PredictionOptions = PLAIN
    ) -> Predictions:
        """Return one prediction per record, all by the same version.

        Raises:
            InvalidRows: a field is not allowed; all of them are named, and no row is scored.
            InvalidData: there are no records, or the model does not support an option.
            TooLarge: there are too many records.
            Unavailable: no model is loaded yet.
        """
        self.admit(len(records))
        model = self.model()
        return predict(model, self.encode(records, model, options), options)

    def encode(
        self, records: Sequence[object], model: LoadedModel, options: PredictionOptions = PLAIN
    ) -> Matrix:
        """Return records as rows of this model, shape (rows, features).

        Raises:
            InvalidRows, InvalidData, TooLarge: as `__call__`.
        """
        self.admit(len(records))
        model.require(options)
        return model.manifest.schema.encode_records(records)

    def encode_table(
        self, table: Table, model: LoadedModel, options: PredictionOptions = PLAIN
    ) -> Matrix:
        """Return a table as rows of this model, shape (rows, features).

        Raises:
            InvalidRows: a field is not allowed; all of them are named.
            InvalidData: there are no rows, a feature has no column, or the model does not support
                an option.
            TooLarge: there are too many rows.
        """
        self.admit(len(table))
        model.require(options)
        encoded = model.manifest.schema.encode_table(table)
        if encoded.violations:
            raise InvalidRows(encoded.violations)
        return encoded.matrix

    def admit(self, rows: int) -> None:
        """Check the number of rows.

        Raises:
            InvalidData: there are no rows.
            TooLarge: there are too many rows.
        """
        if not rows:
            raise InvalidData("there are no rows to predict; allowed: at least one")
        if rows > self.max_rows:
            raise TooLarge(f"{rows} rows in one request; allowed: {self.max_rows}")


def predict(model: LoadedModel, matrix: Matrix, options: PredictionOptions = PLAIN) -> Predictions:
    """Return a model's predictions for rows of shape (rows, features) that fit its schema.

    Raises:
        InvalidRows: a prediction or a bound of an interval is not finite.
        InvalidData: the model does not support an option.
    """
    predictions = Predictions(model.predictor.predict(matrix), model.version.label)
    return with_options(model, matrix, predictions, options)


def with_options(
    model: LoadedModel, matrix: Matrix, predictions: Predictions, options: PredictionOptions
) -> Predictions:
    """Return a model's predictions for rows with the intervals and features that options ask for.

    Raises:
        InvalidRows: a bound of an interval is not finite.
        InvalidData: the model does not support an option.
    """
    if options.interval is not None:
        bounds = model.bounds(matrix, predictions.vector, options.interval)
        predictions = replace(predictions, bounds=bounds)
    if options.extrapolates:
        predictions = replace(predictions, extrapolates=model.out_of_domain(matrix))
    return predictions
