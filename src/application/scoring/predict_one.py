"""Answer for a few rows at once, from the model in memory."""

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
    """One value per row, shape (rows,), in units of the target; and the version that gave them.

    `bounds` and `extrapolates` (names of features, per row) are there where they were asked for.

    Raises:
        InvalidRows: the model has no finite number as its answer to some row.
    """

    vector: Vector
    model: str
    bounds: Bounds | None = None
    extrapolates: Sequence[tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        lacking = non_finite(self.vector)
        if self.bounds is not None:
            lacking = lacking or non_finite(self.bounds.width)
        if lacking:
            raise InvalidRows(lacking)

    @property
    def values(self) -> list[float]:
        """The predictions as Python numbers."""
        values: list[float] = self.vector.tolist()
        return values

    def to_mapping(self) -> dict[str, Any]:
        """Return the answer as JSON values, by the names that callers know."""
        told: dict[str, Any] = {"predictions": self.values}
        if self.bounds is not None:
            told["intervals"] = self.bounds.pairs
        if self.extrapolates is not None:
            told["extrapolates"] = [[*names] for names in self.extrapolates]
        told["model"] = self.model
        return told


@dataclass(frozen=True)
class PredictOne:
    """Checks rows against the model's schema and predicts; `model` gives the one to ask.

    Records and tables are encoded by the same rules, to the same rows.
    """

    model: Callable[[], LoadedModel]
    max_rows: int

    def __call__(self, records: Sequence[object], extras: PredictionOptions = PLAIN) -> Predictions:
        """Return one prediction per record, all by the same version.

        Raises:
            InvalidRows: a field is not allowed; all of them are named, none is scored.
            InvalidData: there are no records, or the model cannot answer what else is asked for.
            TooLarge: there are too many.
            Unavailable: no model is loaded yet.
        """
        self.admit(len(records))
        model = self.model()
        return answer(model, self.encode(records, model, extras), extras)

    def encode(
        self, records: Sequence[object], model: LoadedModel, extras: PredictionOptions = PLAIN
    ) -> Matrix:
        """Return records as rows of this model, shape (rows, features).

        Raises:
            InvalidRows, InvalidData, TooLarge: as the call does.
        """
        self.admit(len(records))
        model.require(extras)
        return model.manifest.schema.encode_records(records)

    def encode_table(
        self, table: Table, model: LoadedModel, extras: PredictionOptions = PLAIN
    ) -> Matrix:
        """Return a table as rows of this model, shape (rows, features).

        Raises:
            InvalidRows: a field is not allowed; all of them are named.
            InvalidData: there are no rows, a feature has no column, or the model does not support
                an option.
            TooLarge: there are too many rows.
        """
        self.admit(len(table))
        model.require(extras)
        encoded = model.manifest.schema.encode_table(table)
        if encoded.violations:
            raise InvalidRows(encoded.violations)
        return encoded.matrix

    def admit(self, rows: int) -> None:
        """Check a number of rows, as can be done before any of them is read.

        Raises:
            InvalidData: there are none.
            TooLarge: there are too many.
        """
        if not rows:
            raise InvalidData("there are no rows to predict; allowed: at least one")
        if rows > self.max_rows:
            raise TooLarge(f"{rows} rows in one request; allowed: {self.max_rows}")


def answer(model: LoadedModel, matrix: Matrix, extras: PredictionOptions = PLAIN) -> Predictions:
    """Return what a model answers to rows of shape (rows, features) that fit its schema.

    Raises:
        InvalidRows: it has no finite number as its answer to some row.
        InvalidData: it cannot answer what is asked for beside predictions.
    """
    return enrich(
        model, matrix, Predictions(model.predictor.predict(matrix), model.version.label), extras
    )


def enrich(
    model: LoadedModel, matrix: Matrix, predictions: Predictions, extras: PredictionOptions
) -> Predictions:
    """Return a model's predictions for rows with what else is asked for.

    Raises:
        InvalidRows: an interval has an end that is not finite.
        InvalidData: the model cannot answer what is asked for beside predictions.
    """
    if extras.interval is not None:
        bounds = model.bounds(matrix, predictions.vector, extras.interval)
        predictions = replace(predictions, bounds=bounds)
    if extras.extrapolates:
        predictions = replace(predictions, extrapolates=model.beyond(matrix))
    return predictions
