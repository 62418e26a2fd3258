"""`predict-one`: predictions for rows given as JSON."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.markup import escape

from application.scoring.explain_rows import ExplainRows, Explanations
from application.scoring.predict_one import Predictions, PredictOne
from domain.data.schema import Target
from domain.numbers import readable
from domain.scoring.prediction import PredictionOptions
from entrypoints.cli import output
from entrypoints.cli.options import AsJson, Interval, Model, SchemaFile, container, flag
from entrypoints.strict_json import read_json

app = typer.Typer(add_completion=False)

_BAR_WIDTH = 24

Row = Annotated[
    str | None,
    typer.Argument(
        metavar="JSON",
        help="One row as a JSON object, or a list of rows; - reads stdin.",
        show_default="the example of the schema",
    ),
]
Explain = Annotated[bool, flag("--explain", "Show the contribution of each feature.")]


@app.command("predict-one")
def predict_one(
    row: Row = None,
    explain: Explain = False,
    model: Model = None,
    schema: SchemaFile = None,
    interval: Interval = None,
    as_json: AsJson = False,
) -> None:
    """Predict one row, or a few, given as JSON.

    Features in which a row is outside the applicability domain of the model are named.

    Example: modelport predict-one - < row.json
    """
    wired = container(model=model, schema_file=schema)
    loaded = wired.load_model()(wired.model_ref())
    table = loaded.manifest.schema
    records = [table.example] if row is None else _read_rows(row)
    extras = PredictionOptions(interval, extrapolates=loaded.applicability is not None)
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
        output.say("no row given; predicting the example of the schema")
        output.show(output.facts(table.example))
    if explained:
        _show_explanations(explained)
    for line in _lines(answer, table.target, interval):
        output.show(line)
    output.show(f"[dim]{answer.model}[/]")


def _read_rows(text: str) -> list[object]:
    content = sys.stdin.buffer.read() if text == "-" else text.encode(errors="surrogateescape")
    rows = read_json(content, "the row")
    return rows if isinstance(rows, list) else [rows]


def _lines(answer: Predictions, target: Target, interval: float | None) -> Iterator[str]:
    for row, value in enumerate(answer.values):
        yield f"{escape(target.name)}: [bold]{readable(value)}[/] {escape(target.unit)}".rstrip()
        if answer.bounds is not None:
            lower, upper = answer.bounds.lower[row], answer.bounds.upper[row]
            yield f"  {interval:.4g} interval: {readable(lower)} to {readable(upper)}"
        if answer.extrapolates and answer.extrapolates[row]:
            names = escape(", ".join(answer.extrapolates[row]))
            yield f"  [yellow]outside the applicability domain[/] in {names}"


def _show_explanations(explanations: Explanations) -> None:
    for row in explanations.to_mappings():
        for line in contribution_bars(row["base"], row["contributions"]):
            output.show(escape(line))


def contribution_bars(base: float, contributions: dict[str, float]) -> list[str]:
    """Return a line for the base value and one per feature, the largest contribution first."""
    ordered = sorted(contributions.items(), key=lambda item: -abs(item[1]))
    largest = max(map(abs, contributions.values())) or 1.0
    names = max(map(len, ("base", *contributions)))
    numbers = [readable(base), *(readable(value, "+") for _, value in ordered)]
    width = max(map(len, numbers))
    lengths = [0, *(round(_BAR_WIDTH * abs(value) / largest) for _, value in ordered)]
    labels = ["base", *(name for name, _ in ordered)]
    return [
        f"{label:<{names}}  {number:>{width}}  {'█' * length}".rstrip()
        for label, number, length in zip(labels, numbers, lengths, strict=True)
    ]
