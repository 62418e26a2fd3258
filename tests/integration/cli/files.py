"""Helpers for rows in files."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyarrow import parquet

GOOD = {
    "longitude": "-122.23",
    "latitude": "37.88",
    "housing_median_age": "41",
    "total_rooms": "880",
    "total_bedrooms": "129",
    "population": "322",
    "households": "126",
    "median_income": "8.3252",
    "ocean_proximity": "NEAR BAY",
}


def write_csv(path: Path, rows: Sequence[dict[str, str]], end: str = "\n") -> Path:
    """Write rows as CSV; the first one gives the header."""
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    path.write_bytes("".join(f"{line}{end}" for line in lines).encode())
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of any format, numbers as numbers."""
    match path.suffix:
        case ".csv":
            with path.open(newline="") as stream:
                return [{k: _value(v) for k, v in row.items()} for row in csv.DictReader(stream)]
        case ".jsonl":
            return [json.loads(line) for line in path.read_text().splitlines()]
        case _:
            return list(parquet.read_table(path).to_pylist())


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder, but for empty locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def _value(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell
