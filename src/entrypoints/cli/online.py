"""`predict-one` and `serve`."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from application.predict_one import PredictOne
from entrypoints.cli import output
from entrypoints.cli.options import AsJson, Model, container
from entrypoints.json_text import read_json


def predict_one(
    row: Annotated[
        str | None,
        typer.Argument(
            metavar="JSON",
            help="One row as a JSON object, or a list of them; - reads stdin.",
            show_default="the schema's example",
        ),
    ] = None,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Answer for one row, or a few.

    Example: modelport predict-one - < row.json
    """
    wired = container(model=model)
    loaded = wired.load_model()(wired.settings().model_ref)
    schema = loaded.manifest.schema
    records = [schema.example] if row is None else _read_rows(row)
    answer = PredictOne(lambda: loaded, wired.settings().max_rows)(records)
    if as_json:
        output.emit({"predictions": answer.values, "model": answer.model})
        return
    if row is None:
        output.say("no row was given: this is the schema's example")
        output.show(output.facts(schema.example))
    for value in answer.values:
        unit = escape(schema.target.unit)
        output.show(f"{escape(schema.target.name)}: [bold]{value:,.2f}[/] {unit}".rstrip())
    output.show(f"[dim]{answer.model}[/]")


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
