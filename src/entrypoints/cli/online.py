"""`predict-one` and `serve`."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.markup import escape

from application.scoring.explain_rows import ExplainRows
from application.scoring.predict_one import Predictions, PredictOne
from domain.data.schema import Target
from domain.scoring.prediction import PredictionOptions
from entrypoints.cli import output
from entrypoints.cli.explanation_bars import show_explanations
from entrypoints.cli.options import AsJson, Interval, Model, container
from entrypoints.strict_json import read_json


def predict_one(
    row: Annotated[
        str | None,
        typer.Argument(
            metavar="JSON",
            help="One row as a JSON object, or a list of them; - reads stdin.",
            show_default="the schema's example",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", metavar="", help="Say what each feature adds.", show_default=False
        ),
    ] = False,
    model: Model = None,
    interval: Interval = None,
    as_json: AsJson = False,
) -> None:
    """Answer for one row, or a few, and say where a row lies beyond the training data.

    Example: modelport predict-one - < row.json
    """
    wired = container(model=model)
    loaded = wired.load_model()(wired.settings().model_ref)
    schema = loaded.manifest.schema
    records = [schema.example] if row is None else _read_rows(row)
    extras = PredictionOptions(interval, extrapolates=loaded.reach is not None)
    limit, explained = wired.settings().max_rows, None
    if explain:
        explained = ExplainRows(lambda: loaded, wired.load_explainer(), limit)(records, extras)
        answer = explained.predictions
    else:
        answer = PredictOne(lambda: loaded, limit)(records, extras)
    if as_json:
        more = {"explanations": explained.to_mappings()} if explained else {}
        output.emit({**answer.to_mapping(), **more})
        return
    if row is None:
        output.say("no row was given: this is the schema's example")
        output.show(output.facts(schema.example))
    if explained:
        show_explanations(explained)
    for line in _lines(answer, schema.target, interval):
        output.show(line)
    output.show(f"[dim]{answer.model}[/]")


def _lines(answer: Predictions, target: Target, interval: float | None) -> Iterator[str]:
    for row, value in enumerate(answer.values):
        yield f"{escape(target.name)}: [bold]{value:,.2f}[/] {escape(target.unit)}".rstrip()
        if answer.bounds is not None:
            lower, upper = answer.bounds.lower[row], answer.bounds.upper[row]
            yield f"  {interval:.4g} interval: {lower:,.2f} to {upper:,.2f}"
        if answer.extrapolates and answer.extrapolates[row]:
            names = escape(", ".join(answer.extrapolates[row]))
            yield f"  [yellow]beyond the training data[/] by {names}"


def _read_rows(text: str) -> list[object]:
    content = sys.stdin.buffer.read() if text == "-" else text.encode(errors="surrogateescape")
    rows = read_json(content, "the row")
    return rows if isinstance(rows, list) else [rows]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
    model: Model = None,
) -> None:
    """Answer requests over HTTP until told to stop (SIGTERM or Ctrl-C).

    Example: modelport serve --port 8080 --model housing@champion
    """
    from entrypoints.http.server import run

    run(host=host, port=port, workers=workers, model=model)
