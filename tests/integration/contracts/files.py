"""Files for the contract suites, written and read without the adapters under test."""

import csv
import json
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from domain.table import Table
from tests.integration.contracts.data_source import contents


def write_table(path: Path, table: Table) -> Path:
    """Write a table as the suffix says; missing values are empty cells or null."""
    columns = contents(table)
    rows = list(zip(*columns.values(), strict=True))
    if path.suffix == ".parquet":
        parquet.write_table(pa.table(columns), path, row_group_size=9)
    elif path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)  # floats in the fewest digits, None as nothing
    return path
