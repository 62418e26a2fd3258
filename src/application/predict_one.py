"""Answer for a few rows at once, from the model in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from application.loading import LoadedModel
from domain.errors import InvalidData, TooLarge


@dataclass(frozen=True, slots=True)
class Predictions:
    """One value per row, in units of the target, and the version that gave them."""

    values: list[float]
    model: str


@dataclass(frozen=True)
class PredictOne:
    """Checks records against the model's schema and predicts; `model` gives the one to ask."""

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
        if not records:
            raise InvalidData("there are no rows to predict; allowed: at least one")
        if len(records) > self.max_rows:
            raise TooLarge(f"{len(records)} rows in one request; allowed: {self.max_rows}")
        model = self.model()
        matrix = model.manifest.schema.encode_records(records)
        return Predictions(model.predictor.predict(matrix).tolist(), model.version.label)
