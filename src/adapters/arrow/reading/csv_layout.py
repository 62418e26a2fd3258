"""What the first rows of a CSV file show of its dialect."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

from domain.data.dialect import Dialect

_SEPARATOR_LINE = re.compile(rb"(?:\xef\xbb\xbf)?sep=([\x09\x20-\x7e])\r?\n", re.IGNORECASE)
_ROWS = 100
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+")
_MAYBE_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """Delimiter and decimal point of a CSV file, and the bytes before its header.

    `note` says what was detected, empty if it is a comma and a point.
    """

    delimiter: bytes
    decimal: str
    skipped: int
    note: str


def layout_of(head: bytes, given: Dialect, default: str) -> CsvLayout:
    """Return the layout that the first bytes of a file show; what is given counts more.

    The delimiter is a semicolon, tab or bar if it is the only one of them in the header and there
    is no comma; else it is the default. The decimal point is a comma if some number has one, some
    number shows that it does not separate thousands, and no number has a point.
    """
    found = _SEPARATOR_LINE.match(head)
    skipped = found.end() if found else 0
    declared = found and found[1].decode()
    delimiter = given.delimiter or declared or _delimiter_in(head[skipped:], default)
    decimal = given.decimal or _decimal_in(head[skipped:], delimiter)
    said = [
        *([f"delimiter {delimiter!r}"] if not given.delimiter and delimiter != default else []),
        *([f"decimal {decimal!r}"] if not given.decimal and decimal != "." else []),
    ]
    return CsvLayout(delimiter.encode(), decimal, skipped, " and ".join(said))


def _delimiter_in(head: bytes, default: str) -> str:
    header = re.sub(rb'"[^"]*"', b"", re.split(rb"[\r\n]", head, maxsplit=1)[0]).decode("latin-1")
    others = [each for each in ";\t|" if each in header]
    return others[0] if len(others) == 1 and default == "," and "," not in header else default


def _decimal_in(head: bytes, delimiter: str) -> str:
    text = head.rpartition(b"\n")[0].decode("utf-8", "replace")
    try:
        rows = [row for row, _ in zip(csv.reader(StringIO(text, newline=""), delimiter=delimiter),
                                      range(_ROWS), strict=False)]  # fmt: skip
    except csv.Error:
        return "."
    cells = [cell for row in rows[1:] for cell in row]
    return "," if _has_decimal_comma(cells) else "."


def _has_decimal_comma(cells: Sequence[str]) -> bool:
    commas = [*filter(_DECIMAL_COMMA.fullmatch, cells)]
    is_proof = any(not _MAYBE_THOUSANDS.fullmatch(cell) for cell in commas)
    return is_proof and not any(map(_DECIMAL_POINT.fullmatch, cells))
