"""`predict`: score a file or a table."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from application.ports import DataSource, PredictionSink
from application.scoring.predict_batch import PredictBatch
from domain.errors import InvalidData
from domain.scoring.batch_job import BatchReport, RejectLimit
from domain.scoring.prediction import PredictionOptions
from entrypoints.cli import output
from entrypoints.cli.options import AsJson, Interval, Model, container, parse_ref
from entrypoints.cli.resume_command import command_again, resumable
from entrypoints.wiring.data_uris import cautions, leave_pandas_out, require_apart
from entrypoints.wiring.settings import EngineKind


def predict(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="INPUT", help="Data URI to read.")],
    target: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT",
            help="A .csv, .parquet or .jsonl file (text also .gz or .zst), s3://BUCKET/KEY of such "
            "a name, a FOLDER/ for a file per chunk, or a database URL with #TABLE.",
        ),
    ],
    model: Model = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Input column to hand through; may be repeated.",
            show_default=False,
        ),
    ] = None,
    partition_by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Input column to keep, whose values name the folders COLUMN=VALUE in FOLDER/; "
            "may be repeated.",
            show_default=False,
        ),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Of the files in FOLDER/: parquet, csv or jsonl (text also as csv.gz, csv.zst).",
            show_default="parquet",
        ),
    ] = None,
    interval: Interval = None,
    extrapolates: Annotated[
        bool,
        typer.Option(
            "--extrapolates",
            help="Add a column with the features by which a row lies beyond the training data.",
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Add a column contribution:FEATURE for what each feature adds to the "
            "prediction; the base is what they leave of it.",
        ),
    ] = False,
    engine: Annotated[
        EngineKind | None,
        typer.Option(
            help="This machine, or a Ray cluster (RAY_ADDRESS).", show_default="MODELPORT_ENGINE"
        ),
    ] = None,
    chunk_rows: Annotated[
        int, typer.Option(min=1, help="Rows that a worker holds at once.")
    ] = 100_000,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Chunks to score at once.", show_default="the cores of the engine"
        ),
    ] = None,
    max_rejects: Annotated[
        str | None,
        typer.Option(
            metavar="ROWS|SHARE%",
            help="Stop when more rows than that break the schema: 1000, or 5% of them.",
            show_default="1000 or 50%, whichever is more",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score every row of the input.

    Rows that break the schema go to OUTPUT.rejects.jsonl with their number and the reason.
    Run again after an interruption, and it goes on where it stopped; run again when it is
    finished, and nothing is done.

    Example: modelport predict data/raw/housing.csv outputs/predictions.parquet --keep longitude
    """
    require_apart(source, target)
    wired = container(engine=engine)
    limit = None if max_rejects is None else RejectLimit.parse(max_rejects)
    ref = parse_ref(model, wired.settings().model_ref)
    use_case: PredictBatch = wired.predict_batch()
    rows: DataSource = wired.source(source, with_md5=False)
    # Also if the alias has moved in the meantime, the job goes on with the version it began with.
    pinned: dict[str, str] = {}
    for caution in cautions(source, target):
        output.say(f"[yellow]mind[/]: {escape(caution)}")
    kept = [*(keep or ()), *(name for name in partition_by or () if name not in (keep or ()))]
    way = resumable(lambda: command_again(context, **pinned))
    with way, output.progress("scoring") as tell:
        sink: PredictionSink = wired.sink(target, file_format, partition_by or ())
        leave_pandas_out()
        report = use_case(
            rows,
            sink,
            ref,
            keep=kept,
            extras=PredictionOptions(interval, extrapolates),
            explain=explain,
            chunk_rows=chunk_rows,
            workers=workers,
            max_rejects=limit,
            progress=tell,
            began=lambda job: pinned.update(model=job.model),
        )
    output.note_ignored(report.ignored, rows.version.uri)
    if as_json:
        output.emit(batch_document(report))
    else:
        show_batch(report)
    if report.rejected == report.rows:
        fault = InvalidData(f"no row of {rows.version.uri} fits the schema; see {report.rejects}")
        raise typer.Exit(output.tell(fault))


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


def show_batch(report: BatchReport) -> None:
    """Print what a batch job did, for a person to read."""
    rate = report.rows / report.seconds if report.seconds else 0.0
    shown: dict[str, object] = {
        "scored": f"{report.rows - report.rejected:,} of {report.rows:,} rows with {report.model}",
        "output": report.output,
        "time": f"{report.seconds:.1f} s ({rate:,.0f} rows/s)",
    }
    if report.was_finished:
        shown["nothing to do"] = "an earlier run has finished this job; the output is unchanged"
    elif report.resumed_chunks:
        shown["resumed"] = f"{report.resumed_chunks} of {report.chunks} chunks were there already"
    output.show(output.facts(shown))
    if report.rejected:
        rows = f"{report.rejected:,} row{'s' if report.rejected > 1 else ''}"
        output.say(f"[yellow]{rows} rejected[/]: see {escape(report.rejects or '')}")
