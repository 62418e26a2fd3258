"""Requests and responses of the Open Inference Protocol, as the OpenAPI document describes them."""

from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from entrypoints.http.protocols.open_inference.infer_request import PREDICTION
from entrypoints.http.protocols.open_inference.inputs import ALL_FEATURES
from entrypoints.http.protocols.open_inference.tensors import DATATYPES


class V2TensorMetadata(BaseModel):
    """A tensor without its content."""

    name: str
    datatype: str = Field(json_schema_extra={"enum": [*DATATYPES]})
    shape: list[int] = Field(
        description="Rows, and columns if there are several; -1 is any number."
    )


class V2Tensor(V2TensorMetadata):
    """A tensor."""

    data: list[float | str | bool | list[Any] | None] | SkipJsonSchema[None] = Field(
        default=None, description="Absent if the content is binary."
    )
    parameters: dict[str, Any] = {}


class V2Output(BaseModel):
    """A requested output."""

    name: str = Field(examples=[PREDICTION])
    parameters: dict[str, Any] = {}


class V2Request(BaseModel):
    """An inference request."""

    id: str = Field(default="", description="Comes back in the answer.")
    inputs: list[V2Tensor] = Field(
        description=f"One per feature; or `{ALL_FEATURES}`, [rows, features], if all are numbers."
    )
    outputs: list[V2Output] = []
    parameters: dict[str, Any] = {}


class V2Response(BaseModel):
    """An inference response."""

    model_name: str
    model_version: str
    id: str = ""
    outputs: list[V2Tensor] = Field(description=f"`{PREDICTION}`.")


class V2Server(BaseModel):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class V2Live(BaseModel):
    """Whether the server is alive."""

    live: bool


class V2Ready(BaseModel):
    """Whether predictions are answered."""

    ready: bool


class V2ModelReady(BaseModel):
    """Whether a model answers."""

    name: str
    ready: bool


class V2Model(BaseModel):
    """The model and its tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[V2TensorMetadata] = Field(description="One per feature.")
    outputs: list[V2TensorMetadata] = Field(description=f"`{PREDICTION}`.")
