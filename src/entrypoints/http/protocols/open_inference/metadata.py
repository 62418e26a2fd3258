"""Metadata of the server and of the model, as the Open Inference Protocol has it."""

from importlib.metadata import version
from typing import Any

from application.model.load_model import LoadedModel
from domain.data.schema import Schema
from entrypoints.http.protocols.open_inference.infer_request import PREDICTION
from entrypoints.http.protocols.open_inference.inputs import datatypes

EXTENSIONS = ("binary_tensor_data",)
PLATFORM = "modelport_onnx"
DATATYPE = "FP64"


def server_metadata() -> dict[str, Any]:
    """Return name, version and extensions of the server."""
    return {"name": "modelport", "version": version("modelport"), "extensions": [*EXTENSIONS]}


def model_metadata(model: LoadedModel) -> dict[str, Any]:
    """Return name, version and tensors of the model; -1 is any number of rows."""
    return {
        "name": model.version.name,
        "versions": [str(model.version.number)],
        "platform": PLATFORM,
        **tensors(model.manifest.schema),
    }


def tensors(schema: Schema) -> dict[str, Any]:
    """Return the inputs, one per feature, and the output."""
    return {
        "inputs": [_tensor(f.name, datatypes(f)[0]) for f in schema.features],
        "outputs": [_tensor(PREDICTION, DATATYPE)],
    }


def _tensor(name: str, datatype: str) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1]}
