"""The formats that can be written: how a chunk becomes bytes, and how those become one file."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import pyarrow as pa
from pyarrow import parquet

from adapters.arrow.lines import scan, split_csv
from adapters.arrow.packed import pack, skip_member
from adapters.arrow.tables import csv_header, to_arrow, to_csv, to_json_lines
from domain.table import Table

_ROWS_PER_GROUP = 1 << 17


@dataclass(frozen=True, slots=True)
class Format:
    """`encode` makes the bytes of one chunk; `merge` makes one file of the files of all chunks."""

    encode: Callable[[Table], bytes]
    merge: Callable[[Sequence[Path], BinaryIO], None]


def concatenate(parts: Sequence[Path], stream: BinaryIO) -> None:
    """Copy files one after the other."""
    for part in parts:
        with part.open("rb") as source:
            shutil.copyfileobj(source, stream)


def _encode_csv(table: Table) -> bytes:
    return csv_header(tuple(table.columns)) + to_csv(table)


def _merge_csv(parts: Sequence[Path], stream: BinaryIO) -> None:
    for index, part in enumerate(parts):
        with part.open("rb") as source:
            if index:
                header = next(scan(source, split_csv, str(part)))
                source.seek(int(header.ends[0]))
            shutil.copyfileobj(source, stream)


def _encode_packed_csv(table: Table) -> bytes:
    return pack(csv_header(tuple(table.columns))) + pack(to_csv(table))


def _merge_packed_csv(parts: Sequence[Path], stream: BinaryIO) -> None:
    for index, part in enumerate(parts):
        with part.open("rb") as source:
            if index:
                skip_member(source)
            shutil.copyfileobj(source, stream)


def _encode_packed_json_lines(table: Table) -> bytes:
    return pack(to_json_lines(table))


def _encode_arrow(table: Table) -> bytes:
    content = to_arrow(table)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, content.schema) as writer:
        writer.write_table(content)
    return bytes(sink.getvalue())


def _merge_arrow(parts: Sequence[Path], stream: BinaryIO) -> None:
    write_parquet(parts, common_schema(parts), stream)


def write_parquet(parts: Sequence[Path], schema: pa.Schema, stream: BinaryIO) -> None:
    """Write the rows of chunks as one Parquet file with these columns."""
    with parquet.ParquetWriter(stream, schema) as writer:
        for group in _grouped(_read(part).cast(schema, safe=False) for part in parts):
            writer.write_table(group)


def _read_schema(part: Path) -> pa.Schema:
    with pa.OSFile(str(part)) as source, pa.ipc.open_stream(source) as reader:
        return reader.schema


def _read(part: Path) -> pa.Table:
    with pa.OSFile(str(part)) as source, pa.ipc.open_stream(source) as reader:
        return reader.read_all()


def common_schema(parts: Sequence[Path]) -> pa.Schema:
    """Return a schema that holds the columns of all chunks; as text where nothing else does."""
    schemas = [_read_schema(part) for part in parts]
    fields = []
    for name in schemas[0].names:
        alternatives = [pa.schema([schema.field(name)]) for schema in schemas]
        try:
            merged = pa.unify_schemas(alternatives, promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            merged = pa.schema([pa.field(name, pa.string())])
        fields.append(merged.field(name))
    return pa.schema(fields)


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Put small tables together, so that the file does not fall into thousands of row groups."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(len(each) for each in waiting) >= _ROWS_PER_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        ".csv": Format(_encode_csv, _merge_csv),
        ".parquet": Format(_encode_arrow, _merge_arrow),
        ".jsonl": Format(to_json_lines, concatenate),
        # Several gzip members are one gzip file: the workers compress, each its chunks.
        ".csv.gz": Format(_encode_packed_csv, _merge_packed_csv),
        ".jsonl.gz": Format(_encode_packed_json_lines, concatenate),
    }
)
