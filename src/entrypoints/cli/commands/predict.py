"""`predict`: score a file or a table."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from application.ports import DataSource, PredictionSink
from application.scoring.predict_batch import BatchOptions
from domain.errors import InvalidData, Misconfigured, Unavailable
from domain.scoring.batch_job import BatchReport, RejectLimit
from domain.scoring.prediction import PredictionOptions
from entrypoints.cli import output
from entrypoints.cli.options import (
    AsJson,
    Decimal,
    Delimiter,
    Encoding,
    Interval,
    Model,
    SchemaFile,
    container,
    flag,
    open_data,
    option,
)
from entrypoints.wiring.data_uris import (
    STDOUT,
    guarantee_warnings,
    has_secret,
    leave_pandas_out,
    require_distinct,
    with_query,
)
from entrypoints.wiring.settings import EngineKind

app = typer.Typer(add_completion=False)

_SAME = "the same command again (not shown here because a URL in it may contain a secret)"

Input = Annotated[str, typer.Argument(metavar="INPUT", help="Data URI to read, or - for stdin.")]
Output = Annotated[
    str,
    typer.Argument(
        metavar="OUTPUT",
        help="A .csv, .parquet, .jsonl or .json file (CSV and JSON Lines also .gz or .zst), "
        "s3://BUCKET/KEY with such a name, a FOLDER/ with one file per chunk, "
        "a database URL with #TABLE, or - for stdout.",
    ),
]
Keep = Annotated[
    list[str] | None, option("COLUMN", "Input column to copy to the output; may be repeated.")
]
PartitionBy = Annotated[
    list[str] | None,
    option(
        "COLUMN",
        "Input column to keep, whose values name the folders COLUMN=VALUE in FOLDER/; "
        "may be repeated.",
    ),
]
FileFormat = Annotated[
    str | None,
    option(
        "FORMAT",
        "Format of the files in FOLDER/, or of stdout: parquet, csv, jsonl or json (csv and jsonl "
        "also as csv.gz, csv.zst).",
        default="parquet, for stdout csv",
        name="--format",
    ),
]
Extrapolates = Annotated[
    bool,
    flag(
        "--extrapolates",
        "Add a column that names the features in which a row is outside the applicability domain.",
    ),
]
Explain = Annotated[
    bool,
    flag(
        "--explain",
        "Add a column contribution:FEATURE per feature; the prediction minus all contributions "
        "is the base value.",
    ),
]
Query = Annotated[
    str | None,
    option("SQL", "Read the rows of a query: SELECT …; INPUT is a database URL without #TABLE."),
]
SinceColumn = Annotated[
    str | None,
    option(
        "COLUMN",
        "Read only the rows with a greater value than all rows in the table OUTPUT, which keeps "
        "the column.",
    ),
]
Key = Annotated[
    str | None,
    option("COLUMN", "Replace the rows of earlier jobs in the table OUTPUT with the same value."),
]
RowNumber = Annotated[
    bool,
    flag("--row-number", "Add the column row: the number of the row in the input, from one."),
]
Engine = Annotated[
    EngineKind | None,
    typer.Option(help="This machine or a Ray cluster.", show_default="MODELPORT_ENGINE"),
]
ChunkRows = Annotated[int, typer.Option(min=1, help="Rows per chunk.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Chunks to score concurrently.", show_default="the cores of the engine"
    ),
]
MaxRejects = Annotated[
    str | None,
    option(
        "ROWS|SHARE%",
        "Stop when more rows than this are rejected: 1000, or 5% of all rows.",
        default="1000 or 50%, whichever is more",
    ),
]


@app.command()
def predict(
    context: typer.Context,
    source: Input,
    target: Output,
    model: Model = None,
    schema: SchemaFile = None,
    keep: Keep = None,
    partition_by: PartitionBy = None,
    file_format: FileFormat = None,
    interval: Interval = None,
    extrapolates: Extrapolates = False,
    explain: Explain = False,
    row_number: RowNumber = False,
    query: Query = None,
    since_column: SinceColumn = None,
    key: Key = None,
    engine: Engine = None,
    chunk_rows: ChunkRows = 100_000,
    workers: Workers = None,
    max_rejects: MaxRejects = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Score every row of a file or table.

    Rejected rows are written to OUTPUT.rejects.jsonl with row number and reason.
    After an interruption, the same command resumes; after completion, it does nothing.

    Example: modelport predict data/raw/housing.csv outputs/predictions.parquet --keep longitude
    """
    uri = with_query(source, query)
    _check(uri, target, as_json)
    wired = container(engine=engine, model=model, schema_file=schema)
    kept = _kept(keep or (), *(partition_by or ()), since_column, key)
    extras = PredictionOptions(interval, extrapolates)
    limit = RejectLimit() if max_rejects is None else RejectLimit.parse(max_rejects)
    options = BatchOptions(kept, extras, explain, row_number, chunk_rows, workers, limit)
    score = partial(wired.predict_batch(), ref=wired.model_ref(), options=options)
    dialect = (delimiter, decimal, encoding)
    rows = open_data(wired, uri, dialect, with_md5=False, since=since_column, target=target)
    sink = partial(wired.sink, target, file_format, partition_by or (), key)
    _report(_score(context, score, rows, sink), rows.version.uri, target, as_json)


def _kept(keep: Sequence[str], *others: str | None) -> list[str]:
    """Return the columns to keep, and once the others that the output needs."""
    return [*keep, *(name for name in dict.fromkeys(others) if name and name not in keep)]


def _check(source: str, target: str, as_json: bool) -> None:
    """Refuse an output that is the input or the report, and print what a database lacks."""
    if as_json and target in STDOUT:
        raise Misconfigured(f"--json and the output {target} both write to stdout; name a file")
    require_distinct(source, target)
    for warning in guarantee_warnings(source, target):
        output.say(f"[yellow]caution[/]: {escape(warning)}")


def _score(
    context: typer.Context,
    score: Callable[..., BatchReport],
    rows: DataSource,
    open_sink: Callable[[], PredictionSink],
) -> BatchReport:
    # A resumed job uses the version that the job began with, even if the alias has moved since.
    pinned: dict[str, str] = {}
    resuming = _resumable(lambda: _command_again(context, **pinned))
    with resuming, output.progress("scoring") as show_progress:
        sink = open_sink()
        leave_pandas_out()
        return score(
            rows,
            sink,
            progress=show_progress,
            began=lambda job: pinned.update(model=job.model),
        )


def _command_again(context: typer.Context, **pinned: str) -> str:
    """Return the given command as a line for a shell; `pinned` replaces options.

    A command that contains a secret is described, not repeated.
    """
    line = context.command_path.split()
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        values = [pinned[name]] if name in pinned else _given(context, name)
        if parameter.param_type_name == "argument":
            arguments += values
        elif values == ["True"]:
            line.append(parameter.opts[-1])
        else:
            line += [part for value in values for part in (parameter.opts[-1], value)]
    if any(map(has_secret, arguments)):
        return _SAME
    dashes = ["--"] if any(argument.startswith("-") for argument in arguments) else []
    return shlex.join([*line, *dashes, *arguments])


def _given(context: typer.Context, name: str) -> list[str]:
    source, value = context.get_parameter_source(name), context.params.get(name)
    if source is None or source.name != "COMMANDLINE" or value in (None, False):
        return []
    return [*map(str, value)] if isinstance(value, list | tuple) else [str(value)]


@contextmanager
def _resumable(command: Callable[[], str]) -> Iterator[None]:
    """Print the command to resume after an interruption, or if something is unavailable."""
    try:
        yield
    except KeyboardInterrupt:
        output.say(
            f"[yellow]interrupted[/]: finished chunks are kept. To resume:\n  {escape(command())}"
        )
        raise
    except Unavailable as error:
        raise Unavailable(f"{error}\nTo resume:\n  {command()}") from error


def _report(report: BatchReport, uri: str, target: str, as_json: bool) -> None:
    output.note_ignored(report.ignored, uri)
    if as_json:
        output.emit(batch_document(report))
    else:
        show_batch(report, output.say if target in STDOUT else output.show)
    if 0 < report.rejected == report.rows:
        error = InvalidData(f"no row of {uri} fits the schema; see {report.rejects}")
        raise typer.Exit(output.show_error(error))


def batch_document(report: BatchReport) -> dict[str, Any]:
    """Return what `predict --json` prints."""
    return {
        "job": report.job,
        "model": report.model,
        "output": report.output,
        "rejects": report.rejects,
        "rows": report.rows,
        "rejected": report.rejected,
        "chunks": report.chunks,
        "resumed_chunks": report.resumed_chunks,
        "already_finished": report.was_finished,
        "ignored_columns": list(report.ignored),
        "seconds": round(report.seconds, 3),
    }


def show_batch(report: BatchReport, show: Callable[[Table], None] = output.show) -> None:
    """Print the result of a batch job."""
    rate = report.rows / report.seconds if report.seconds else 0.0
    shown: dict[str, object] = {
        "scored": f"{report.rows - report.rejected:,} of {report.rows:,} rows with {report.model}",
        "output": report.output,
        "time": f"{report.seconds:.1f} s ({rate:,.0f} rows/s)",
    }
    if report.was_finished:
        shown["nothing to do"] = "this job was completed before; the output is unchanged"
    elif report.resumed_chunks:
        shown["resumed"] = f"{report.resumed_chunks} of {report.chunks} chunks were already written"
    show(output.facts(shown))
    if report.rejected:
        rows = f"{report.rejected:,} row{'s' if report.rejected > 1 else ''}"
        output.say(f"[yellow]{rows} rejected[/]: see {escape(report.rejects or '')}")
