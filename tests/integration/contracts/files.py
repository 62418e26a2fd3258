"""Files for the contract suites, written and read without the adapters under test."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from domain.data.table import Table
from tests.integration.contracts.data_source import contents


def write_table(path: Path, table: Table) -> Path:
    """Write a table as the suffix says; missing values are empty cells or null."""
    if path.suffix == ".gz":
        plain = write_table(path.with_suffix(""), table)
        # Several members are one file; the second begins in the middle of a line.
        raw = plain.read_bytes()
        path.write_bytes(gzip.compress(raw[:101]) + gzip.compress(raw[101:]))
        plain.unlink()
        return path
    if path.suffix == ".zst":
        plain = write_table(path.with_suffix(""), table)
        with pa.output_stream(path, compression="zstd") as stream:
            stream.write(plain.read_bytes())
        plain.unlink()
        return path
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
