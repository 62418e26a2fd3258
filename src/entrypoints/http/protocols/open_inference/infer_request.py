"""An inference request of the Open Inference Protocol, parsed into tensors.

The body is JSON. With the binary tensor data extension, the content of some tensors follows the
JSON, in the order of the inputs, and a header holds the length of the JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, TypeAlias

from domain.data.table import Coded, Column
from domain.errors import InvalidData
from entrypoints.http.protocols.open_inference.category_tensors import read_categories
from entrypoints.http.protocols.open_inference.tensors import DATATYPES, from_bytes, from_json
from entrypoints.strict_json import read_json

HEADER = "Inference-Header-Content-Length"
PREDICTION = "prediction"

_REQUEST = {"id", "model_name", "model_version", "parameters", "inputs", "outputs"}
_TENSOR = {"name", "shape", "datatype", "parameters", "data"}
_DESCRIBED = {"name", "shape", "datatype"}
_OUTPUT = {"name", "parameters"}
_LONGEST = 2**31 - 1
_LONGEST_DIGITS = 10

# The cache of parsed headers: a few megabytes at most.
_MAX_CACHED_HEADERS = 64
_MAX_CACHED_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input; `content` is a list if it came as JSON. `where` names it in messages."""

    where: str
    name: str
    datatype: str
    shape: tuple[int, ...]
    content: list[Any] | memoryview

    def known(self, categories: tuple[str, ...]) -> Coded | None:
        """Return the elements where that is fast: many texts in bytes, all of them categories."""
        if not categories or isinstance(self.content, list):
            return None
        return read_categories(self.content, categories, prod(self.shape))

    def column(self, where: str) -> Column:
        """Return the elements, row by row."""
        if isinstance(self.content, list):
            return from_json(self.content, self.datatype, self.shape, where)
        return from_bytes(self.content, self.datatype, prod(self.shape), where)


@dataclass(frozen=True, slots=True)
class InferRequest:
    """The inputs; `binary` tells whether the prediction is wanted in bytes."""

    id: str | None
    inputs: tuple[Tensor, ...]
    binary: bool


@dataclass(frozen=True, slots=True)
class _Described:
    """An input; content in bytes is given by its position after the JSON."""

    where: str
    name: str
    datatype: str
    shape: tuple[int, ...]
    content: list[Any] | slice


# The JSON of a request: id, inputs, and whether the prediction is wanted in bytes.
_Parsed: TypeAlias = tuple[str | None, tuple[_Described, ...], bool]


def read_request(content: bytes, header: str | None) -> InferRequest:
    """Return the request in a body; `header` is the announced length of its JSON.

    Raises:
        UnreadableData: the JSON cannot be parsed; says where.
        InvalidData: the request does not conform to the protocol; says what and where.
    """
    if header is None:
        identifier, described, binary = _parse(content, 0, "the body")
    else:
        end = _header_length(header, len(content))
        # Most clients send the same header again, before other bytes.
        parse = _parse_cached if end <= _MAX_CACHED_BYTES else _parse
        identifier, described, binary = parse(content[:end], len(content) - end, "the JSON header")
        content = content[end:]
    rest = memoryview(content)
    inputs = [
        Tensor(d.where, d.name, d.datatype, d.shape, _content(d.content, rest)) for d in described
    ]
    return InferRequest(identifier, tuple(inputs), binary)


def _content(described: list[Any] | slice, rest: memoryview) -> list[Any] | memoryview:
    return rest[described] if isinstance(described, slice) else described


def _parse(text: bytes, size: int, where: str) -> _Parsed:
    """Parse the JSON of a request that is followed by `size` bytes."""
    body = read_json(text, where, nan=True)
    _require_object(body, "the request", _REQUEST, {"inputs"})
    identifier = body.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise InvalidData("id: is not a text")
    return identifier, _inputs(body["inputs"], size), _wants_binary(body)


_parse_cached = lru_cache(_MAX_CACHED_HEADERS)(_parse)


def _header_length(header: str, size: int) -> int:
    plain = header.isascii() and header.isdecimal() and len(header) <= _LONGEST_DIGITS
    if not plain or int(header) > size:
        raise InvalidData(f"{HEADER}: allowed: from 0 to the {size} bytes that the body has")
    return int(header)


def _inputs(items: object, available: int) -> tuple[_Described, ...]:
    tensors: list[_Described] = []
    offset = 0
    for position, item in enumerate(_list(items, "inputs")):
        where = f"inputs[{position}]"
        _require_object(item, where, _TENSOR, _DESCRIBED)
        size = _parameters(item, where).get("binary_data_size")
        if (size is None) == (item.get("data") is None):
            raise InvalidData(f"{where}: needs data or parameters.binary_data_size, one of them")
        content: list[Any] | slice
        if size is None:
            content = _list(item["data"], f"{where}.data")
        else:
            if not _is_length(size) or size > available - offset:
                raise InvalidData(
                    f"{where}.parameters.binary_data_size: allowed: from 0 to the "
                    f"{available - offset} bytes that are left after the JSON header, "
                    f"whose length {HEADER} says"
                )
            content = slice(offset, offset + size)
            offset += size
        tensors.append(_tensor(item, where, content))
    if offset != available:
        raise InvalidData(f"{available - offset} bytes after the last binary tensor")
    return tuple(tensors)


def _tensor(item: Mapping[str, Any], where: str, content: list[Any] | slice) -> _Described:
    name, datatype = item["name"], item["datatype"]
    if not isinstance(name, str):
        raise InvalidData(f"{where}.name: is not a text")
    if datatype not in DATATYPES:
        raise InvalidData(f"{where}.datatype: allowed: {', '.join(DATATYPES)}")
    shape = _list(item["shape"], f"{where}.shape")
    if len(shape) not in (1, 2) or not all(map(_is_length, shape)):
        raise InvalidData(f"{where}.shape: allowed: [rows] or [rows, columns]")
    return _Described(where, name, datatype, tuple(shape), content)


def _wants_binary(body: Mapping[str, Any]) -> bool:
    wanted = _flag(_parameters(body, "the request"), "binary_data_output", "parameters")
    outputs = _list(body.get("outputs") or [], "outputs")
    if len(outputs) > 1:
        raise InvalidData(f"outputs: there are {len(outputs)}; allowed: {PREDICTION!r} once")
    for output in outputs:
        _require_object(output, "outputs[0]", _OUTPUT, {"name"})
        if output["name"] != PREDICTION:
            raise InvalidData(f"outputs[0]: there is no such output; allowed: {PREDICTION!r}")
        parameters = _parameters(output, "outputs[0]")
        if parameters.get("classification") or "shared_memory_region" in parameters:
            raise InvalidData("outputs[0].parameters: allowed: binary_data")
        wanted = _flag(parameters, "binary_data", "outputs[0].parameters", wanted)
    return wanted


def _parameters(item: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    parameters = item.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidData(f"{where}: parameters is not an object")
    return parameters


def _flag(parameters: Mapping[str, Any], name: str, where: str, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidData(f"{where}.{name}: is not true or false")
    return value


def _require_object(item: object, where: str, known: set[str], needed: set[str]) -> None:
    if isinstance(item, dict) and needed <= item.keys() <= known:
        return
    allowed = f"allowed: an object with {', '.join(sorted(known))}"
    if not isinstance(item, dict):
        raise InvalidData(f"{where}: is not an object; {allowed}")
    absent = sorted(needed - item.keys())
    if absent:
        raise InvalidData(f"{where}: has no {', '.join(absent)}; {allowed}")
    unknown = len(item.keys() - known)
    raise InvalidData(f"{where}: has {unknown} unknown fields; {allowed}")


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidData(f"{where}: is not a list")
    return value


def _is_length(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LONGEST
