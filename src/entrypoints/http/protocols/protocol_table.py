"""Which application answers for which protocol, and what is asked before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from starlette.types import ASGIApp

from entrypoints.http.data_plane import DataPlane
from entrypoints.http.protocols.mlflow.scoring_routes import invocations, mlflow
from entrypoints.http.protocols.open_inference.inference_routes import infer, v2
from entrypoints.http.route_table import Protocol


@dataclass(frozen=True)
class ProtocolTable:
    """Applications that have whole paths, with all that may go wrong there.

    What is posted to a path of `endpoints` they would answer by that endpoint, once they have found
    the route, which takes longer than the answer.
    """

    applications: Mapping[Protocol, ASGIApp]
    endpoints: Mapping[str, ASGIApp]

    @classmethod
    def of(cls, plane: DataPlane) -> Self:
        """Return the protocols over a data plane."""
        asked, scored = infer(plane), invocations(plane)
        return cls(
            {Protocol.V2: v2(plane, asked), Protocol.MLFLOW: mlflow(plane, scored)},
            {f"/v2/models/{plane.serving.ref.name}/infer": asked, "/invocations": scored},
        )
