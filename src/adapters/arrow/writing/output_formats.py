"""The formats that can be written: how a chunk becomes bytes, and how those become one file."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from adapters.arrow.reading.compressed_file import PACKED, pack
from adapters.arrow.reading.text_lines import scan, split_csv
from adapters.arrow.writing.to_arrow import csv_header, to_arrow, to_csv, to_json_lines
from domain.data.table import Table
from domain.errors import Misconfigured

_ROWS_PER_GROUP = 1 << 17
_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """What `encode` has made, in a file: all of it, or `size` bytes from `start` on."""

    path: Path
    start: int = 0
    size: int | None = None

    def open(self) -> Any:
        """Return it as a stream of Arrow, whose first byte is that of the piece."""
        file = pa.OSFile(str(self.path))
        if self.size is None:
            return file
        with file:
            return pa.BufferReader(file.read_at(self.size, self.start))


Merge: TypeAlias = Callable[[Sequence[Piece], BinaryIO], None]


@dataclass(frozen=True, slots=True)
class Format:
    """`encode` makes the bytes of some rows, which are a piece of an output.

    `merging` looks at all pieces of an output and returns what makes one file of some of them.
    """

    encode: Callable[[Table], bytes]
    merging: Callable[[Sequence[Piece]], Merge]


def format_of(suffix: str, where: Path) -> Format:
    """Return the format of a suffix.

    Raises:
        Misconfigured: it is that of none.
    """
    try:
        return FORMATS[suffix]
    except KeyError:
        raise Misconfigured(
            f"{where}: the suffix must be one of {', '.join(FORMATS)} to be written"
        ) from None


def concatenate(pieces: Sequence[Piece], stream: BinaryIO) -> None:
    """Copy pieces one after the other."""
    for piece in pieces:
        with piece.open() as source:
            shutil.copyfileobj(source, stream)


def _encode_csv(table: Table) -> bytes:
    return csv_header(tuple(table.columns)) + to_csv(table)


def _merge_csv(pieces: Sequence[Piece], stream: BinaryIO) -> None:
    for index, piece in enumerate(pieces):
        with piece.open() as source:
            if index:
                header = next(scan(source, split_csv, str(piece.path)))
                source.seek(int(header.ends[0]))
            shutil.copyfileobj(source, stream)


@dataclass(frozen=True, slots=True)
class _Packed:
    """Text that is compressed: the files of several pieces, one after the other, are one file."""

    pack: Callable[[bytes], bytes]

    def encode_csv(self, table: Table) -> bytes:
        """Return the header, after its length, and the rows: only one header is to stay."""
        header = self.pack(csv_header(tuple(table.columns)))
        return len(header).to_bytes(_LENGTH, "big") + header + self.pack(to_csv(table))

    def encode_json_lines(self, table: Table) -> bytes:
        return self.pack(to_json_lines(table))


def _merge_packed_csv(pieces: Sequence[Piece], stream: BinaryIO) -> None:
    for index, piece in enumerate(pieces):
        with piece.open() as source:
            header = source.read(int.from_bytes(source.read(_LENGTH), "big"))
            if not index:
                stream.write(header)
            shutil.copyfileobj(source, stream)


def _encode_arrow(table: Table) -> bytes:
    content = to_arrow(table)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, content.schema) as writer:
        writer.write_table(content)
    return bytes(sink.getvalue())


def _merging_arrow(pieces: Sequence[Piece]) -> Merge:
    return partial(_write_parquet, _common_schema(pieces), _repeating(pieces))


def _write_parquet(
    schema: pa.Schema, repeating: Sequence[str] | bool, pieces: Sequence[Piece], stream: BinaryIO
) -> None:
    with parquet.ParquetWriter(stream, schema, use_dictionary=repeating) as writer:
        for group in _grouped(_read(piece).cast(schema, safe=False) for piece in pieces):
            writer.write_table(group)


def _read_schema(piece: Piece) -> pa.Schema:
    with piece.open() as source, pa.ipc.open_stream(source) as reader:
        return reader.schema


def _read(piece: Piece) -> pa.Table:
    with piece.open() as source, pa.ipc.open_stream(source) as reader:
        return reader.read_all()


def _common_schema(pieces: Sequence[Piece]) -> pa.Schema:
    """Return a schema that holds the columns of all pieces; as text where nothing else does."""
    schemas = [_read_schema(piece) for piece in pieces]
    fields = []
    for name in schemas[0].names if schemas else ():
        alternatives = [pa.schema([schema.field(name)]) for schema in schemas]
        try:
            merged = pa.unify_schemas(alternatives, promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            merged = pa.schema([pa.field(name, pa.string())])
        fields.append(merged.field(name))
    return pa.schema(fields)


def _repeating(pieces: Sequence[Piece]) -> list[str] | bool:
    """Return the columns that are smaller with a dictionary, by the first rows there are.

    To try one and give it up takes longer than all else. True: all columns, as some are nested.
    """
    first = next((table for table in map(_read, pieces) if len(table)), None)
    if first is None or any(pa.types.is_nested(field.type) for field in first.schema):
        return True
    return [name for name in first.column_names if _repeats(first.column(name))]


def _repeats(values: pa.ChunkedArray) -> bool:
    try:
        return bool(2 * pc.count_distinct(values, mode="all").as_py() <= len(values))
    except pa.ArrowNotImplementedError:
        return True


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


def _alike(merge: Merge) -> Callable[[Sequence[Piece]], Merge]:
    """Return the `merging` of a text format, which has no types to make alike."""
    return lambda _pieces: merge


_PACKED = {suffix: _Packed(partial(pack, suffix)) for suffix in PACKED}

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        ".csv": Format(_encode_csv, _alike(_merge_csv)),
        ".parquet": Format(_encode_arrow, _merging_arrow),
        ".jsonl": Format(to_json_lines, _alike(concatenate)),
        **{
            f".csv{suffix}": Format(packed.encode_csv, _alike(_merge_packed_csv))
            for suffix, packed in _PACKED.items()
        },
        **{
            f".jsonl{suffix}": Format(packed.encode_json_lines, _alike(concatenate))
            for suffix, packed in _PACKED.items()
        },
    }
)
