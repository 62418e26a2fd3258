"""Rows as clients of other protocols send them, written down without the code under test."""

import csv
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema

Rows = Sequence[dict[str, Any]]

HEADER = "Inference-Header-Content-Length"
LETTERS = {
    "BOOL": "?",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}


@dataclass(frozen=True)
class Message:
    """A body, and the length of the JSON at its beginning if that is not all of it."""

    content: bytes
    header: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.header is None else {HEADER: self.header}


def tensor(name: str, datatype: str, data: Sequence[Any], *columns: int) -> dict[str, Any]:
    """Return an input in JSON."""
    rows = len(data) // columns[0] if columns else len(data)
    return {"name": name, "datatype": datatype, "shape": [rows, *columns], "data": [*data]}


def packed(datatype: str, data: Sequence[Any]) -> bytes:
    """Return the elements of a tensor in binary form."""
    if datatype != "BYTES":
        return struct.pack(f"<{len(data)}{LETTERS[datatype]}", *data)
    texts = [text if isinstance(text, bytes) else text.encode() for text in data]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def as_json(inputs: Sequence[dict[str, Any]], **more: Any) -> Message:
    """Return a request whose tensors are all in JSON."""
    return Message(json.dumps({"inputs": inputs, **more}).encode())


def as_binary(inputs: Sequence[dict[str, Any]], **more: Any) -> Message:
    """Return a request whose tensors follow the JSON."""
    parts = [packed(item["datatype"], item["data"]) for item in inputs]
    described = [
        {
            **{key: value for key, value in item.items() if key != "data"},
            "parameters": {"binary_data_size": len(part)},
        }
        for item, part in zip(inputs, parts, strict=True)
    ]
    header = json.dumps({"inputs": described, **more}).encode()
    return Message(header + b"".join(parts), str(len(header)))


def tensors(schema: Schema, rows: Rows, *, binary: bool) -> list[dict[str, Any]]:
    """Return one tensor per feature; what is missing is null in JSON, NaN or empty in bytes."""
    return [
        _tensor(feature, [row.get(feature.name) for row in rows], binary)
        for feature in schema.features
    ]


def _tensor(feature: Feature, values: list[Any], binary: bool) -> dict[str, Any]:
    if feature.kind is Kind.CATEGORY:
        return tensor(feature.name, "BYTES", ["" if v is None and binary else v for v in values])
    if binary and None in values:
        return tensor(feature.name, "FP64", [float("nan") if v is None else v for v in values])
    own = {Kind.BOOLEAN: "BOOL", Kind.INTEGER: "INT64", Kind.NUMBER: "FP64"}
    return tensor(feature.name, own[feature.kind], values)


def mlflow_forms(schema: Schema, rows: Rows) -> list[dict[str, Any]]:
    """Return rows in each of MLflow's forms, and in each way that a form can be filled."""
    names = [*schema.names]
    lists = [[row.get(name) for name in names] for row in rows]
    by_column = {name: [row.get(name) for row in rows] for name in names}
    return [
        {"dataframe_split": {"columns": names, "data": lists}},
        {
            "dataframe_split": {
                "index": [*range(len(rows))],
                "columns": ["other", *reversed(names)],
                "data": [["x", *reversed(row)] for row in lists],
            }
        },
        {"dataframe_records": [*rows]},
        {"dataframe_records": [{**row, "\x00other": 1} for row in rows]},
        {"instances": [*rows]},
        {"instances": lists},
        {"inputs": by_column},
        {"inputs": {"\x00other": "x", **by_column}},
        {"inputs": [*rows], "params": {}},
        {"inputs": lists, "params": None},
    ]


def as_csv(names: Sequence[str], rows: Rows) -> bytes:
    """Return rows as a spreadsheet saves them."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([row.get(name) for name in names] for row in rows)
    return text.getvalue().encode("utf-8-sig")
