"""An inference request of the Open Inference Protocol, parsed into tensors.

The body is JSON. With the binary tensor data extension, the content of some tensors follows the
JSON, in the order of the inputs, and a header holds the length of the JSON.
"""

from functools import lru_cache
from math import prod
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from domain.data.table import Column
from domain.errors import InvalidData
from entrypoints.http.protocols.open_inference.tensors import DATATYPES, from_bytes, from_json
from entrypoints.http.request_body import RequestModel, validated
from entrypoints.strict_json import read_json

HEADER = "Inference-Header-Content-Length"
PREDICTION = "prediction"
ALL_FEATURES = "features"

_ALLOWED = 'allowed: {"inputs": [{"name", "datatype", "shape", "data"}, …]}'
_LONGEST_DIGITS = 10

# The cache of parsed headers: a few megabytes at most.
_MAX_CACHED_HEADERS = 64
_MAX_CACHED_BYTES = 4_096

_Length: TypeAlias = Annotated[int, Field(ge=0, le=2**31 - 1)]
_SCALAR = {"type": ["number", "string", "boolean", "null"]}
_Element: TypeAlias = Annotated[
    Any, WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]})
]
_Parameters: TypeAlias = dict[str, Any] | None


class V2InputTensor(RequestModel):
    """A tensor."""

    name: str
    datatype: str = Field(json_schema_extra={"enum": [*DATATYPES]})
    shape: list[_Length] = Field(min_length=1, max_length=2, description="Rows, and columns.")
    data: list[_Element] | None = Field(
        default=None, description="Absent if the content is binary."
    )
    parameters: _Parameters = Field(default=None, description="`binary_data_size`.")


class V2RequestedOutput(RequestModel):
    """A requested output."""

    name: Literal["prediction"]
    parameters: _Parameters = Field(default=None, description="`binary_data`.")


class V2Request(RequestModel):
    """An inference request."""

    id: str | None = Field(default=None, description="Repeated in the response.")
    model_name: SkipJsonSchema[Any] = None
    model_version: SkipJsonSchema[Any] = None
    inputs: list[V2InputTensor] = Field(
        description=f"One per feature; or `{ALL_FEATURES}`, [rows, features], if all are numbers."
    )
    outputs: Annotated[list[V2RequestedOutput], Field(max_length=1)] | None = None
    parameters: _Parameters = Field(default=None, description="`binary_data_output`.")


class Tensor(NamedTuple):
    """One input; `content` is a list if it came as JSON. `where` names it in messages."""

    where: str
    name: str
    datatype: str
    shape: tuple[int, ...]
    content: list[Any] | memoryview

    def column(self, where: str, categories: tuple[str, ...] = ()) -> Column:
        """Return the elements, row by row; texts are read faster if all are `categories`."""
        if isinstance(self.content, list):
            return from_json(self.content, self.datatype, self.shape, where)
        return from_bytes(self.content, self.datatype, prod(self.shape), where, categories)


class InferRequest(NamedTuple):
    """The inputs; `binary` is true if the prediction is wanted in bytes."""

    id: str | None
    inputs: list[Tensor]
    binary: bool


# The fields of a `Tensor`; content in bytes is given by its size.
_Described: TypeAlias = tuple[str, str, str, tuple[int, ...], list[Any] | int]

# The JSON of a request: id, inputs, and whether the prediction is wanted in bytes.
_Parsed: TypeAlias = tuple[str | None, list[_Described], bool]


def read_request(content: bytes, header: str | None) -> InferRequest:
    """Return the request in a body; `header` is the announced length of its JSON.

    Raises:
        UnreadableData: the JSON cannot be parsed; names the position.
        InvalidData: the request does not conform to the protocol; names the field.
    """
    end = len(content) if header is None else _header_length(header, len(content))
    # Most clients send the same header again, before other bytes.
    parse = _parse if header is None or end > _MAX_CACHED_BYTES else _parse_cached
    where = "the body" if header is None else "the JSON header"
    identifier, described, binary = parse(content[:end], where)
    return InferRequest(identifier, _tensors(described, memoryview(content)[end:]), binary)


def _tensors(described: list[_Described], rest: memoryview) -> list[Tensor]:
    tensors: list[Tensor] = []
    for where, name, datatype, shape, source in described:
        if isinstance(source, list):
            tensors.append(Tensor(where, name, datatype, shape, source))
            continue
        if source > len(rest):
            raise InvalidData(
                f"{where}.parameters.binary_data_size: allowed: from 0 to the {len(rest)} bytes "
                f"that are left after the JSON header, whose length is in {HEADER}"
            )
        tensors.append(Tensor(where, name, datatype, shape, rest[:source]))
        rest = rest[source:]
    if rest:
        raise InvalidData(f"{len(rest)} bytes after the last binary tensor")
    return tensors


def _parse(text: bytes, where: str) -> _Parsed:
    request = validated(V2Request, read_json(text, where, nan=True), _ALLOWED)
    described = [_describe(f"inputs[{i}]", tensor) for i, tensor in enumerate(request.inputs)]
    return request.id, described, _wants_binary(request)


_parse_cached = lru_cache(_MAX_CACHED_HEADERS)(_parse)


def _header_length(header: str, size: int) -> int:
    plain = header.isascii() and header.isdecimal() and len(header) <= _LONGEST_DIGITS
    if not plain or int(header) > size:
        raise InvalidData(f"{HEADER}: allowed: from 0 to the {size} bytes that the body has")
    return int(header)


def _describe(where: str, tensor: V2InputTensor) -> _Described:
    if tensor.datatype not in DATATYPES:
        raise InvalidData(f"{where}.datatype: allowed: {', '.join(DATATYPES)}")
    size = (tensor.parameters or {}).get("binary_data_size")
    source = tensor.data if size is None else size
    if source is None or (size is not None and tensor.data is not None):
        raise InvalidData(f"{where}: needs data or parameters.binary_data_size, one of them")
    if size is not None and not (type(size) is int and size >= 0):
        raise InvalidData(f"{where}.parameters.binary_data_size: allowed: a number of bytes")
    return where, tensor.name, tensor.datatype, tuple(tensor.shape), source


def _wants_binary(request: V2Request) -> bool:
    wanted = _flag(request.parameters, "binary_data_output", "parameters", False)
    for output in request.outputs or []:
        parameters = output.parameters or {}
        if parameters.get("classification") or "shared_memory_region" in parameters:
            raise InvalidData("outputs[0].parameters: allowed: binary_data")
        wanted = _flag(parameters, "binary_data", "outputs[0].parameters", wanted)
    return wanted


def _flag(parameters: dict[str, Any] | None, name: str, where: str, default: bool) -> bool:
    value = (parameters or {}).get(name, default)
    if not isinstance(value, bool):
        raise InvalidData(f"{where}.{name}: is not true or false")
    return value
