"""The formats that can be written: chunks are encoded first, and then merged into files."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from adapters.arrow.reading.compressed_file import COMPRESSIONS, compress
from adapters.arrow.reading.from_arrow import ArrowValues
from adapters.arrow.writing.to_arrow import csv_header, to_arrow, to_csv, to_json_lines, to_texts
from domain.data.table import Kept, Table
from domain.data.value_type import ValueType
from domain.errors import InvalidData, Misconfigured

_ROWS_PER_GROUP = 1 << 17
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Encoded rows in a file: the whole file, or `size` bytes from `start` on."""

    path: Path
    start: int = 0
    size: int | None = None

    def open(self) -> Any:
        """Return an Arrow stream of these bytes."""
        file = pa.OSFile(str(self.path))
        if self.size is None:
            return file
        with file:
            return pa.BufferReader(file.read_at(self.size, self.start))


Merge: TypeAlias = Callable[[Sequence[ByteRange], BinaryIO], None]


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """`encode` returns the bytes of some rows. Picklable.

    `merger` takes the encoded rows of a whole output and returns the function that merges some of
    them into one file.
    """

    suffix: str
    encode: Callable[[Table], bytes]
    merger: Callable[[Sequence[ByteRange]], Merge]


def format_of(suffix: str, where: Path) -> OutputFormat:
    """Return the format of a suffix.

    Raises:
        Misconfigured: no format with this suffix can be written.
    """
    try:
        return FORMATS[suffix]
    except KeyError:
        raise Misconfigured(
            f"{where}: the suffix must be one of {', '.join(FORMATS)} to be written"
        ) from None


def concatenate(ranges: Sequence[ByteRange], stream: BinaryIO) -> None:
    """Copy bytes one after the other."""
    for each in ranges:
        with each.open() as source:
            shutil.copyfileobj(source, stream)


def _encode_csv(compression: str, table: Table) -> bytes:
    """Return the length of the header, the header and the rows: a file has only one header."""
    header = compress(compression, csv_header(tuple(table.columns)))
    length = len(header).to_bytes(_LENGTH_BYTES, "big")
    return length + header + compress(compression, to_csv(table))


def _merge_csv(ranges: Sequence[ByteRange], stream: BinaryIO) -> None:
    for index, each in enumerate(ranges):
        with each.open() as source:
            header = source.read(int.from_bytes(source.read(_LENGTH_BYTES), "big"))
            if not index:
                stream.write(header)
            shutil.copyfileobj(source, stream)


def _encode_json_lines(compression: str, table: Table) -> bytes:
    return compress(compression, to_json_lines(table))


def _encode_json(table: Table) -> bytes:
    """Return the rows as elements of an array; JSON Lines has line feeds only between rows."""
    return to_json_lines(table)[:-1].replace(b"\n", b",\n")


def _merge_json(ranges: Sequence[ByteRange], stream: BinaryIO) -> None:
    stream.write(b"[\n")
    separator = b""
    for each in ranges:
        with each.open() as source:
            if source.size():
                stream.write(separator)
                separator = b",\n"
            shutil.copyfileobj(source, stream)
    stream.write(b"\n]\n")


def _encode_arrow(table: Table) -> bytes:
    content = to_arrow(table)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, content.schema) as writer:
        writer.write_table(content)
    return bytes(sink.getvalue())


def _parquet_merger(ranges: Sequence[ByteRange]) -> Merge:
    return partial(_write_parquet, _common_schema(ranges), _dictionary_columns(ranges))


def _write_parquet(
    schema: pa.Schema, dictionaries: list[str] | bool, ranges: Sequence[ByteRange], stream: BinaryIO
) -> None:
    with parquet.ParquetWriter(stream, schema, use_dictionary=dictionaries) as writer:
        for group in _grouped(_as(_read(each), schema) for each in ranges):
            writer.write_table(group)


def _read(encoded: ByteRange) -> pa.Table:
    with encoded.open() as source, pa.ipc.open_stream(source) as reader:
        return reader.read_all()


def _common_schema(ranges: Sequence[ByteRange]) -> pa.Schema:
    """Return a schema that fits all rows; a column of incompatible types is text."""
    schemas = []
    for each in ranges:
        with each.open() as source, pa.ipc.open_stream(source) as reader:
            schemas.append(reader.schema)
    fields = []
    for name in schemas[0].names if schemas else ():
        alternatives = [pa.schema([schema.field(name)]) for schema in schemas]
        try:
            merged = pa.unify_schemas(alternatives, promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            merged = pa.schema([pa.field(name, pa.string())])
        types = {each.field(name).type for each in alternatives}
        if pa.uint64() in types and pa.types.is_signed_integer(merged.field(name).type):
            merged = pa.schema([pa.field(name, pa.string())])
        fields.append(merged.field(name))
    return pa.schema(fields)


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with the types of a schema that fits all rows.

    Raises:
        InvalidData: a time does not fit the unit that all rows need.
    """
    columns = []
    for field in schema:
        values = table.column(field.name)
        if pa.types.is_string(field.type) and values.type != field.type:
            values = to_texts(Kept(ValueType.TEXT, ArrowValues(values.combine_chunks())))
        try:
            columns.append(values.cast(field.type, safe=not pa.types.is_floating(field.type)))
        except pa.ArrowInvalid as error:
            raise InvalidData(
                f"column {field.name!r} cannot be written to Parquet: some rows have the type "
                f"{values.type}, others need {field.type}, and a value does not fit both: {error}; "
                f"write CSV or JSON Lines, or leave the column out"
            ) from error
    return pa.table(columns, schema=schema)


def _dictionary_columns(ranges: Sequence[ByteRange]) -> list[str] | bool:
    """Return the columns that a dictionary makes smaller, estimated from the first rows.

    For the others Parquet would build dictionaries and discard them, which takes most of the time
    of writing. With nested columns, return True: all columns get a dictionary.
    """
    first = next((table for table in map(_read, ranges) if len(table)), None)
    if first is None or any(pa.types.is_nested(field.type) for field in first.schema):
        return True
    return [name for name in first.column_names if _repeats(first.column(name))]


def _repeats(values: pa.ChunkedArray) -> bool:
    try:
        return bool(2 * pc.count_distinct(values, mode="all").as_py() <= len(values))
    except pa.ArrowNotImplementedError:
        return True


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Concatenate small tables, so that the file does not have thousands of row groups."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(len(each) for each in waiting) >= _ROWS_PER_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _same(merge: Merge, ranges: Sequence[ByteRange]) -> Merge:  # noqa: ARG001
    """Return `merge`: a text format needs no common types."""
    return merge


def _csv(compression: str) -> OutputFormat:
    encode = partial(_encode_csv, compression)
    return OutputFormat(f".csv{compression}", encode, partial(_same, _merge_csv))


def _json_lines(compression: str) -> OutputFormat:
    encode = partial(_encode_json_lines, compression)
    return OutputFormat(f".jsonl{compression}", encode, partial(_same, concatenate))


_PLAIN = (
    _csv(""),
    OutputFormat(".parquet", _encode_arrow, _parquet_merger),
    _json_lines(""),
    OutputFormat(".json", _encode_json, partial(_same, _merge_json)),
)
_COMPRESSED = (*map(_csv, COMPRESSIONS), *map(_json_lines, COMPRESSIONS))
FORMATS: Mapping[str, OutputFormat] = {each.suffix: each for each in (*_PLAIN, *_COMPRESSED)}
