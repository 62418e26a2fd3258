"""Answer for a few rows at once, from the model in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from application.loading import LoadedModel
from domain.errors import InvalidData, InvalidRows, TooLarge
from domain.feature import Vector
from domain.prediction import unanswered
from domain.schema import Matrix
from domain.table import Table


@dataclass(frozen=True, slots=True)
class Predictions:
    """One value per row, shape (rows,), in units of the target; and the version that gave them.

    Raises:
        InvalidRows: the model has no finite number as its answer to some row.
    """

    vector: Vector
    model: str

    def __post_init__(self) -> None:
        if lacking := unanswered(self.vector):
            raise InvalidRows(lacking)

    @property
    def values(self) -> list[float]:
        """The predictions as Python numbers."""
        values: list[float] = self.vector.tolist()
        return values


@dataclass(frozen=True)
class PredictOne:
    """Checks rows against the model's schema and predicts; `model` gives the one to ask.

    Rows come as records by the call itself, or as columns by `table`: the same rules, the same
    answers to the last bit.
    """

    model: Callable[[], LoadedModel]
    max_rows: int

    def __call__(self, records: Sequence[object]) -> Predictions:
        """Return one prediction per record, all by the same version.

        Raises:
            InvalidRows: a field is not allowed; all of them are named, none is scored.
            InvalidData: there are no records.
            TooLarge: there are too many.
            Unavailable: no model is loaded yet.
        """
        self.admit(len(records))
        model = self.model()
        return _answer(model, model.manifest.schema.encode_records(records))

    def table(self, table: Table, model: LoadedModel) -> Predictions:
        """Return one prediction per row of a table that was read by the schema of this model.

        Raises:
            InvalidRows: a field is not allowed; all of them are named, none is scored.
            InvalidData: there are no rows, or a feature has no column.
            TooLarge: there are too many.
        """
        self.admit(len(table))
        encoded = model.manifest.schema.encode_table(table)
        if encoded.violations:
            raise InvalidRows(encoded.violations)
        return _answer(model, encoded.matrix)

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


def _answer(model: LoadedModel, matrix: Matrix) -> Predictions:
    return Predictions(model.predictor.predict(matrix), model.version.label)
