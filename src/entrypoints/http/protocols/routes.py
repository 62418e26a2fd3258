"""Which application answers for which protocol."""

from collections.abc import Mapping

from starlette.types import ASGIApp

from application.predict_one import PredictOne
from application.serving import Serving
from entrypoints.http.places import Protocol
from entrypoints.http.protocols.mlflow_routes import mlflow
from entrypoints.http.protocols.v2_routes import v2


def protocols(
    serving: Serving, predict: PredictOne, max_body_bytes: int
) -> Mapping[Protocol, ASGIApp]:
    """Return the applications that have whole paths, with all that may go wrong there."""
    return {
        Protocol.V2: v2(serving, predict, max_body_bytes),
        Protocol.MLFLOW: mlflow(serving, predict, max_body_bytes),
    }
