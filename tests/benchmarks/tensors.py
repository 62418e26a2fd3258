"""Requests of the Open Inference Protocol V2 with binary tensors, as Triton's client makes them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from domain.data.feature import Kind
from domain.data.schema import Schema

# All requests name the same length, since `wrk` sends the same headers with all of them.
_HEADER_BYTES = 2048
HEADERS = {
    "Content-Type": "application/octet-stream",
    "Inference-Header-Content-Length": str(_HEADER_BYTES),
}
_FORMS = {Kind.NUMBER: ("FP64", "<f8"), Kind.INTEGER: ("INT64", "<i8"), Kind.BOOLEAN: ("BOOL", "?")}


def encode(schema: Schema, records: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a request for rows of the reference data, with a tensor for each feature."""
    inputs, contents = [], []
    for feature in schema.features:
        values = [record[feature.name] for record in records]
        datatype, content = _tensor(feature.kind, values)
        inputs.append(
            {
                "name": feature.name,
                "datatype": datatype,
                "shape": [len(values)],
                "parameters": {"binary_data_size": len(content)},
            }
        )
        contents.append(content)
    outputs = [{"name": "prediction", "parameters": {"binary_data": True}}]
    header = json.dumps({"inputs": inputs, "outputs": outputs}, separators=(",", ":")).encode()
    return header.ljust(_HEADER_BYTES) + b"".join(contents)


def _tensor(kind: Kind, values: Sequence[Any]) -> tuple[str, bytes]:
    if kind is Kind.CATEGORY:
        texts = [value.encode() for value in values]
        return "BYTES", b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    datatype, form = _FORMS[kind]
    missing = float("nan")
    array = np.array([missing if value is None else value for value in values], dtype=form)
    return datatype, array.tobytes()


def decode(answer: bytes) -> list[float]:
    """Return the predictions, which stand behind the JSON of an answer."""
    header, _ = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    (output,) = header["outputs"]
    size = output["parameters"]["binary_data_size"]
    return [float(value) for value in np.frombuffer(answer[-size:], dtype="<f8")]
