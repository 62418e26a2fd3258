"""Asks a server with a client that openapi-python-client has generated, and prints the answers.

It runs in an environment of its own. Address of the server and rows come on stdin, as JSON.
"""

import json
import sys
from typing import Any

from modelport_client import AuthenticatedClient  # type: ignore[import-not-found] # generated
from modelport_client.api.m_lflow_scoring import (  # type: ignore[import-not-found]
    invocations_invocations_post as invocations,
)
from modelport_client.api.open_inference_protocol_v2 import (  # type: ignore[import-not-found]
    infer_v2_models_model_infer_post as infer,
)
from modelport_client.api.prediction import predict  # type: ignore[import-not-found]
from modelport_client.models import (  # type: ignore[import-not-found]
    InferV2ModelsModelInferPostModel,
    MlflowDataframeRecords,
    MlflowDataframeSplit,
    MlflowInputs,
    MlflowInstances,
    PredictRequest,
    V2Request,
)


def tensor(name: str, values: list[Any]) -> dict[str, Any]:
    """Return an input of the Open Inference Protocol."""
    datatype = "BYTES" if isinstance(values[0], str) else "FP64"
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": values}


def main() -> None:
    """Ask in each protocol, and in each form of MLflow."""
    asked = json.load(sys.stdin)
    rows: list[dict[str, Any]] = asked["rows"]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    lists = [[*row.values()] for row in rows]
    client = AuthenticatedClient(base_url=asked["url"], token="none")
    inputs = [tensor(name, values) for name, values in columns.items()]
    inferred = infer.sync(
        next(iter(InferV2ModelsModelInferPostModel)),
        client=client,
        body=V2Request.from_dict({"inputs": inputs}),
    )
    forms = [
        MlflowDataframeSplit.from_dict({"dataframe_split": {"columns": [*columns], "data": lists}}),
        MlflowDataframeRecords.from_dict({"dataframe_records": rows}),
        MlflowInstances.from_dict({"instances": rows}),
        MlflowInstances.from_dict({"instances": lists}),
        MlflowInputs.from_dict({"inputs": columns}),
    ]
    scored = [invocations.sync(client=client, body=form).to_dict() for form in forms]
    request = PredictRequest.from_dict({"data": rows})
    answers = {
        "predict": predict.sync(client=client, body=request).predictions,
        "infer": inferred.outputs[0].data,
        "invocations": [each["predictions"] for each in scored],
    }
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
