"""An inference request of the Open Inference Protocol, taken apart but not yet understood.

The body is JSON; with the binary tensor data extension, the content of some tensors follows the
JSON, in the order of the inputs, and a header says how long the JSON is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from domain.errors import InvalidData
from domain.table import Coded, Column
from entrypoints.http.protocols.v2_categories import read_categories
from entrypoints.http.protocols.v2_tensors import DATATYPES, from_bytes, from_json
from entrypoints.json_text import read_json

HEADER = "Inference-Header-Content-Length"
PREDICTION = "prediction"

_REQUEST = {"id", "model_name", "model_version", "parameters", "inputs", "outputs"}
_TENSOR = {"name", "shape", "datatype", "parameters", "data"}
_DESCRIBED = {"name", "shape", "datatype"}
_OUTPUT = {"name", "parameters"}
_LONGEST = 2**31 - 1
_LONGEST_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input; `content` is a list if it came as JSON. `where` names it in messages."""

    where: str
    name: str
    datatype: str
    shape: tuple[int, ...]
    content: list[Any] | memoryview

    def known(self, categories: tuple[str, ...]) -> Coded | None:
        """Return the elements if that is quick: many texts in bytes, all of them categories."""
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
    """What is asked; `binary` tells in which form the prediction is wanted."""

    id: str | None
    inputs: tuple[Tensor, ...]
    binary: bool


def read_request(content: bytes, header: str | None) -> InferRequest:
    """Take a body apart; `header` is the length of its JSON as the caller announces it.

    Raises:
        UnreadableData: the JSON is none; says where.
        InvalidData: something is not of the form that the protocol has; says what and where.
    """
    end = len(content) if header is None else _header_length(header, len(content))
    body = read_json(content[:end], "the body" if header is None else "the JSON header", nan=True)
    _require_object(body, "the request", _REQUEST, {"inputs"})
    identifier = body.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise InvalidData("id: is not a text")
    inputs = _inputs(body["inputs"], memoryview(content)[end:])
    return InferRequest(identifier, inputs, _wants_binary(body))


def _header_length(header: str, size: int) -> int:
    plain = header.isascii() and header.isdecimal() and len(header) <= _LONGEST_DIGITS
    if not plain or int(header) > size:
        raise InvalidData(f"{HEADER}: allowed: from 0 to the {size} bytes that the body has")
    return int(header)


def _inputs(items: object, binary: memoryview) -> tuple[Tensor, ...]:
    tensors: list[Tensor] = []
    offset = 0
    for position, item in enumerate(_list(items, "inputs")):
        where = f"inputs[{position}]"
        _require_object(item, where, _TENSOR, _DESCRIBED)
        size = _parameters(item, where).get("binary_data_size")
        if (size is None) == (item.get("data") is None):
            raise InvalidData(f"{where}: needs data or parameters.binary_data_size, one of them")
        content: list[Any] | memoryview
        if size is None:
            content = _list(item["data"], f"{where}.data")
        else:
            if not _is_length(size) or size > len(binary) - offset:
                raise InvalidData(
                    f"{where}.parameters.binary_data_size: allowed: from 0 to the "
                    f"{len(binary) - offset} bytes that are left after the JSON header, "
                    f"whose length {HEADER} says"
                )
            content = binary[offset : offset + size]
            offset += size
        tensors.append(_tensor(item, where, content))
    if offset != len(binary):
        raise InvalidData(f"{len(binary) - offset} bytes after the last binary tensor")
    return tuple(tensors)


def _tensor(item: Mapping[str, Any], where: str, content: list[Any] | memoryview) -> Tensor:
    name, datatype = item["name"], item["datatype"]
    if not isinstance(name, str):
        raise InvalidData(f"{where}.name: is not a text")
    if datatype not in DATATYPES:
        raise InvalidData(f"{where}.datatype: allowed: {', '.join(DATATYPES)}")
    shape = _list(item["shape"], f"{where}.shape")
    if len(shape) not in (1, 2) or not all(map(_is_length, shape)):
        raise InvalidData(f"{where}.shape: allowed: [rows] or [rows, columns]")
    return Tensor(where, name, datatype, tuple(shape), content)


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
    lacking = sorted(needed - item.keys())
    if lacking:
        raise InvalidData(f"{where}: has no {', '.join(lacking)}; {allowed}")
    unknown = len(item.keys() - known)
    raise InvalidData(f"{where}: has {unknown} unknown fields; {allowed}")


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidData(f"{where}: is not a list")
    return value


def _is_length(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LONGEST
