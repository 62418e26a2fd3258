"""The answer to an inference request, as JSON or with the prediction in bytes after it."""

import json
from typing import Any

import numpy as np
from starlette.responses import Response

from application.scoring.predict_one import Predictions
from domain.model.reference import ModelVersion
from entrypoints.http.protocols.open_inference.infer_request import HEADER, PREDICTION, InferRequest
from entrypoints.http.protocols.open_inference.metadata import DATATYPE
from entrypoints.http.protocols.open_inference.tensors import FLOATS


def infer_response(
    request: InferRequest, predictions: Predictions, version: ModelVersion
) -> Response:
    """Return the predictions in the requested form, with the model version."""
    output: dict[str, Any] = {
        "name": PREDICTION,
        "datatype": DATATYPE,
        "shape": [len(predictions.vector)],
    }
    body: dict[str, Any] = {"model_name": version.name, "model_version": str(version.number)}
    if request.id is not None:
        body["id"] = request.id
    body["outputs"] = [output]
    if not request.binary:
        output["data"] = predictions.values
        return Response(json.dumps(body), media_type="application/json")
    content = np.asarray(predictions.vector, dtype=FLOATS[DATATYPE]).tobytes()
    output["parameters"] = {"binary_data_size": len(content)}
    header = json.dumps(body).encode()
    return Response(
        header + content,
        headers={HEADER: str(len(header))},
        media_type="application/octet-stream",
    )
