"""Which paths of the application belong to which protocol."""

from starlette.routing import BaseRoute, Route

from application.predict_one import PredictOne
from application.serving import Serving
from entrypoints.http.protocols.mlflow_routes import PATHS, mlflow
from entrypoints.http.protocols.v2_routes import v2


def protocol_routes(serving: Serving, predict: PredictOne, max_body_bytes: int) -> list[BaseRoute]:
    """Return routes that hand whole paths, with all that may go wrong there, to a protocol."""
    infer = v2(serving, predict, max_body_bytes)
    score = mlflow(serving, predict, max_body_bytes)
    return [
        Route("/v2", infer, include_in_schema=False),
        Route("/v2/{rest:path}", infer, include_in_schema=False),
        *(Route(path, score, include_in_schema=False) for path in PATHS),
    ]
