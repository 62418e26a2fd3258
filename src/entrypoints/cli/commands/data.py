"""`data`: fetch, sample, check."""

from typing import Annotated

import typer
from rich.markup import escape

from application.data.copy_data import CopyData
from application.data.labelled_rows import DataCheck, check_labelled
from domain.canonical_json import json_value
from domain.data.schema import Schema
from domain.errors import ChecksumMismatch, InvalidData
from entrypoints.cli import output
from entrypoints.cli.options import (
    AsJson,
    Decimal,
    Delimiter,
    Encoding,
    SchemaFile,
    container,
    open_data,
    option,
)
from entrypoints.wiring.data_uris import fetch_reference_data, open_source, public_uri

app = typer.Typer(add_completion=False, no_args_is_help=True)

_SHOWN = 10


@app.command()
def fetch(as_json: AsJson = False) -> None:
    """Fetch the reference data into data/raw/ and verify its checksum.

    Example: modelport data fetch
    """
    settings = container().settings()
    with output.working(f"fetching {public_uri(settings.data_url)}"):
        path = fetch_reference_data(settings)
        data = open_source(settings, str(path)).version
    if data.sha256 != settings.data_sha256:
        raise ChecksumMismatch(
            f"{path} is not the reference data: its SHA-256 is {data.sha256}, expected: "
            f"{settings.data_sha256}; the file was not changed; delete it, then fetch again"
        )
    if as_json:
        output.emit({"path": str(path), **json_value(data.identity)})
    else:
        output.show(output.facts({"path": path, "rows": data.rows, "SHA-256": data.sha256}))


@app.command()
def sample(
    rows: Annotated[int, typer.Option(min=1, help="Number of block groups.")],
    out: Annotated[str, option("FILE", "File to write.")],
    as_json: AsJson = False,
) -> None:
    """Write simulated block groups; the same number of rows gives the same data.

    Example: modelport data sample --rows 1000 --out outputs/sample.csv
    """
    wired = container()
    with output.progress("simulating") as show_progress:
        written = CopyData()(wired.source(f"sample:{rows}"), wired.sink(out), show_progress)
    if as_json:
        output.emit({"output": written, "rows": rows})
    else:
        output.show(output.facts({"output": written, "rows": f"{rows:,} (simulated)"}))


@app.command()
def check(
    uri: Annotated[str, typer.Argument(metavar="URI", help="Data to check.")],
    schema: SchemaFile = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Check every row of training data against the schema, including the target.

    Example: modelport data check data/raw/housing.csv
    """
    wired = container(schema_file=schema)
    source = open_data(wired, uri, (delimiter, decimal, encoding))
    table: Schema = wired.schema()
    with output.working(f"checking {public_uri(uri)}"):
        found = check_labelled(source, table)
        data = source.version
    by_frequency = sorted(found.faults.items(), key=lambda found: -found[1])
    if as_json:
        output.emit(
            {
                "uri": data.uri,
                **json_value(data.identity),
                "rejected": found.rejected,
                "faults": [
                    {"field": field, "problem": problem, "allowed": allowed, "rows": count}
                    for (field, problem, allowed), count in by_frequency
                ],
            }
        )
    else:
        _show_check(found, table, data.uri)
    if found.rejected or not found.rows:
        problem = f"{found.rejected:,} of {found.rows:,} rows break the schema"
        error = InvalidData(f"{data.uri}: {problem if found.rows else 'there are no rows'}")
        raise typer.Exit(output.show_error(error))


def _show_check(found: DataCheck, schema: Schema, uri: str) -> None:
    if found.rows and not found.rejected:
        output.show(f"{escape(uri)}: all {found.rows:,} rows fit the schema {schema.name!r}")
        return
    rows = [(v.row, v.field, v.problem, v.allowed) for v in found.violations[:_SHOWN]]
    if rows:
        output.show_rows(["row", "field", "problem", "allowed"], rows)
    if (more := sum(found.faults.values()) - len(rows)) > 0:
        output.show(f"and {more:,} more")
