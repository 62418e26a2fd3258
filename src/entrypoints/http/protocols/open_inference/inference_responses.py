"""Responses of the Open Inference Protocol: predictions, and metadata of server and model."""

import json
from importlib.metadata import version
from typing import Any

import numpy as np
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from application.model.load_model import LoadedModel
from application.scoring.predict_one import Predictions
from application.serving.served_model import ServedModel
from domain.data.schema import Schema
from domain.model.reference import ModelVersion
from entrypoints.http.protocols.open_inference.infer_request import HEADER, PREDICTION, InferRequest
from entrypoints.http.protocols.open_inference.inputs import datatypes
from entrypoints.http.protocols.open_inference.tensors import BYTES, DATATYPES, FLOATS

_DATATYPE = "FP64"
_PLATFORM = "modelport_onnx"


class V2TensorMetadata(BaseModel):
    """A tensor without its content."""

    name: str
    datatype: str = Field(json_schema_extra={"enum": [*DATATYPES]})
    shape: list[int] = Field(
        description="Rows, and columns if there are several; -1 is any number."
    )


class V2OutputTensor(V2TensorMetadata):
    """A tensor."""

    data: list[float] | SkipJsonSchema[None] = Field(
        default=None, description="Absent if the content is binary."
    )
    parameters: dict[str, Any] = {}


class V2Response(BaseModel):
    """An inference response."""

    model_name: str
    model_version: str
    id: str = ""
    outputs: list[V2OutputTensor] = Field(description=f"`{PREDICTION}`.")


class V2Server(BaseModel):
    """The server."""

    name: str = "modelport"
    version: str
    extensions: list[str] = ["binary_tensor_data", "model_configuration"]


class V2ModelReady(BaseModel):
    """Whether a model answers."""

    name: str
    ready: bool


class V2Model(BaseModel):
    """The model and its tensors; -1 is any number of rows."""

    name: str
    versions: list[str]
    platform: str = _PLATFORM
    inputs: list[V2TensorMetadata] = Field(description="One per feature.")
    outputs: list[V2TensorMetadata] = Field(description=f"`{PREDICTION}`.")


class V2TensorConfig(BaseModel):
    """A tensor in a model configuration."""

    name: str
    data_type: str
    dims: list[int] = Field(description="-1 is any number of rows.")


class V2ModelConfig(BaseModel):
    """The configuration of the model, in the form of Triton."""

    name: str
    platform: str = _PLATFORM
    backend: str = "modelport"
    max_batch_size: int = Field(
        default=0, description="0: the rows are a dimension of the tensors."
    )
    input: list[V2TensorConfig]
    output: list[V2TensorConfig]


class V2IndexEntry(BaseModel):
    """A model of the repository; without a version while none is loaded."""

    name: str
    version: str | SkipJsonSchema[None] = None
    state: str = Field(json_schema_extra={"enum": ["READY", "UNAVAILABLE"]})
    reason: str


def server_metadata() -> V2Server:
    """Return name, version and extensions of the server."""
    return V2Server(version=version("modelport"))


def model_metadata(model: LoadedModel) -> V2Model:
    """Return name, version and tensors of the model."""
    schema: Schema = model.manifest.schema
    inputs = [_any_rows(feature.name, datatypes(feature)[0]) for feature in schema.features]
    return V2Model(
        name=model.version.name,
        versions=[str(model.version.number)],
        inputs=inputs,
        outputs=[_any_rows(PREDICTION, _DATATYPE)],
    )


def model_config(model: LoadedModel) -> V2ModelConfig:
    """Return the configuration of the model: the same tensors as in its metadata."""
    metadata = model_metadata(model)
    return V2ModelConfig(
        name=metadata.name,
        input=[*map(_configured, metadata.inputs)],
        output=[*map(_configured, metadata.outputs)],
    )


def repository_index(serving: ServedModel) -> list[V2IndexEntry]:
    """Return the one model that is served here."""
    state = serving.state
    if state.model is None:
        return [V2IndexEntry(name=serving.ref.name, state="UNAVAILABLE", reason=state.problem)]
    version = state.model.version
    return [V2IndexEntry(name=version.name, version=str(version.number), state="READY", reason="")]


def _configured(tensor: V2TensorMetadata) -> V2TensorConfig:
    kind = "STRING" if tensor.datatype == BYTES else tensor.datatype
    return V2TensorConfig(name=tensor.name, data_type=f"TYPE_{kind}", dims=tensor.shape)


def _any_rows(name: str, datatype: str) -> V2TensorMetadata:
    return V2TensorMetadata(name=name, datatype=datatype, shape=[-1])


def infer_response(
    request: InferRequest, predictions: Predictions, version: ModelVersion
) -> Response:
    """Return the predictions in the requested form, with the model version."""
    output: dict[str, Any] = {
        "name": PREDICTION,
        "datatype": _DATATYPE,
        "shape": [len(predictions.vector)],
    }
    body: dict[str, Any] = {"model_name": version.name, "model_version": str(version.number)}
    if request.id is not None:
        body["id"] = request.id
    body["outputs"] = [output]
    if not request.binary:
        output["data"] = predictions.values
        return Response(json.dumps(body), media_type="application/json")
    content = np.asarray(predictions.vector, dtype=FLOATS[_DATATYPE]).tobytes()
    output["parameters"] = {"binary_data_size": len(content)}
    header = json.dumps(body).encode()
    return Response(
        header + content,
        headers={HEADER: str(len(header))},
        media_type="application/octet-stream",
    )
