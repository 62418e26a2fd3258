"""JSON Lines files (one object to a line), read a chunk at a time."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import json as arrow_json

from adapters.arrow.reading.compressed_file import input_file
from adapters.arrow.reading.from_arrow import (
    has_nan,
    may_be_inexact,
    objects_to_column,
    to_column,
    with_type_of_values,
)
from adapters.arrow.reading.text_lines import (
    fingerprint,
    require_utf8,
    rows_in,
    scan,
    split_lines,
    to_chunks,
)
from adapters.arrow.reading.watched_file import require_columns
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind
from domain.data.table import Kept, Table
from domain.data.value_type import ValueType, common_type
from domain.errors import UnreadableData, Violation

_BLOCK = 1 << 20
_ROWS_FOR_NAMES = 1_000
_ROWS_FOR_TYPES = 100_000
_TYPES = {
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.CATEGORY: pa.string(),
}
_CONSTANTS = {"NaN": "NaN", "Infinity": inf, "-Infinity": -inf}  # not JSON, but common
_AMBIGUOUS = object()
_NATIVE = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


class JsonLinesSource:
    """A JSON Lines file. A value is missing if it is null or its key is not in the row.

    A line that is not an object is a violation in the table, and so is one that gives a value which
    is read twice. The columns are the keys of the first thousand rows. `uri` is the original
    address of the file; default: its path.
    """

    def __init__(
        self,
        path: Path,
        uri: str | None = None,
        *,
        with_md5: bool = True,
        encoding: str | None = None,
    ) -> None:
        self._file = input_file(path, encoding)
        self._uri = uri or str(path)
        self._with_md5 = with_md5

    @cached_property
    def version(self) -> DatasetVersion:
        """Digests and number of rows of the file."""
        return fingerprint(self._file, self._uri, split_lines, 0, with_md5=self._with_md5)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        first = next(self.plan(_ROWS_FOR_NAMES), None)
        if first is None:
            return ()
        with self._file.unchanged():
            rows, violations = self._rows(first)
        if len(violations) == len(rows):
            raise UnreadableData(
                f"{self._uri}: row 1 {violations[0].problem}; a file with a JSON array, or with "
                f"objects over several lines, must have the suffix .json"
            )
        return tuple(dict.fromkeys(key for row in rows for key in row))

    @property
    def is_empty(self) -> bool:
        """Whether there are no rows, and so no columns."""
        return next(self.plan(1), None) is None

    def value_types(self, names: Sequence[str]) -> Mapping[str, ValueType]:
        """Return the types of the values in all rows: parses the file, unless no name is given."""
        types = dict.fromkeys(names, ValueType.MISSING)
        for chunk in self.plan(_ROWS_FOR_TYPES) if names else ():
            found = self.read(chunk, dict.fromkeys(names)).columns
            for name, column in found.items():
                assert isinstance(column, Kept)
                types[name] = common_type([types[name], column.type])
        return types

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        with self._file.opened() as stream:
            yield from to_chunks(scan(stream, split_lines, self._uri), rows_per_chunk)

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        require_columns(columns, self.columns, self._uri)
        with self._file.unchanged():
            parsed = self._parse(chunk, columns)
            if (
                parsed is not None
                and parsed.num_rows == chunk.rows
                and not any(map(has_nan, parsed.columns))
                and not any(
                    kind is None and may_be_inexact(parsed.column(name))
                    for name, kind in columns.items()
                )
            ):
                found = {
                    name: to_column(parsed.column(name), kind)
                    if kind
                    else with_type_of_values(parsed.column(name))
                    for name, kind in columns.items()
                }
                return Table(found, chunk.rows)
            rows, violations = self._rows(chunk, columns)
        found = {
            name: objects_to_column([row.get(name) for row in rows], kind)
            for name, kind in columns.items()
        }
        return Table(found, chunk.rows, tuple(violations))

    def _parse(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> pa.Table | None:
        """Return some columns as Arrow parses them; None if some value does not fit its type."""
        start, end, longest, _ = chunk.locator
        with pa.OSFile(str(self._file.path)) as file:
            try:
                first = json.loads(file.read_at(longest, start).split(b"\n")[0])
                return arrow_json.read_json(
                    file.get_stream(start, end - start),
                    arrow_json.ReadOptions(block_size=max(_BLOCK, 2 * longest)),
                    arrow_json.ParseOptions(
                        explicit_schema=pa.schema(
                            [(name, _type(kind, first.get(name))) for name, kind in columns.items()]
                        ),
                        unexpected_field_behavior="ignore",
                    ),
                )
            except (pa.ArrowInvalid, ValueError, RecursionError, AttributeError):
                return None

    def _rows(
        self, chunk: Chunk, columns: Collection[str] = ()
    ) -> tuple[list[dict[str, Any]], list[Violation]]:
        """Return the rows of a chunk as Python objects, and the violations of the others.

        A row in which a value of one of the columns is ambiguous is a violation.

        Raises:
            UnreadableData: a byte is not UTF-8.
        """
        start, end, *_ = chunk.locator
        with self._file.opened() as stream:
            stream.seek(start)
            raw = stream.read(end - start)
        require_utf8(raw, start, self._file.path, self._uri)
        rows: list[dict[str, Any]] = []
        violations: list[Violation] = []
        for text in rows_in(raw, split_lines):
            row = _row(text)
            if isinstance(row, str):
                violations.append(Violation(len(rows), "", row, "a JSON object"))
                row = {}
            elif any(_is_ambiguous(row.get(name)) for name in columns):
                violations.append(Violation(len(rows), "", "has a field twice", "each field once"))
            rows.append(row)
        # A row with a violation gets the cells of another row, which are not used.
        filler = next(filter(None, rows), {})
        for violation in violations:
            rows[violation.row] = filler
        return rows, violations


def _row(text: bytes) -> dict[str, Any] | str:
    """Return the object in a line, or what is wrong with the line, without its content."""
    try:
        row = _DECODER.decode(text.decode("utf-8-sig"))
        if b"\\u" in text:
            json.dumps(row, ensure_ascii=False, default=str).encode()  # refuses a single surrogate
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {getattr(error, 'msg', 'it cannot be parsed')}"
    return row if isinstance(row, dict) else "is not a JSON object"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; the value of a key that is given twice is `_AMBIGUOUS`."""
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(key for key, _ in pairs)
        found |= {key: _AMBIGUOUS for key, count in times.items() if count > 1}
    return found


def _is_ambiguous(value: object) -> bool:
    """Whether a key is given twice for a value, or in an object within it."""
    if isinstance(value, dict | list):
        return any(map(_is_ambiguous, value.values() if isinstance(value, dict) else value))
    return value is _AMBIGUOUS


_DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__, object_pairs_hook=_object)


def _type(kind: Kind | None, example: object) -> pa.DataType:
    """Return the type of a column; without a kind, the type of its first value."""
    return _TYPES[kind] if kind is not None else _NATIVE.get(type(example), pa.string())
