"""`evaluate`: metrics of a registered model."""

import typer

from application.evaluation.evaluate_model import EvaluationReport
from entrypoints.cli import output
from entrypoints.cli.commands.train import metric_cells
from entrypoints.cli.options import (
    AsJson,
    Data,
    Decimal,
    Delimiter,
    Encoding,
    Model,
    SchemaFile,
    container,
    open_data,
)

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    model: Model = None,
    data: Data = None,
    schema: SchemaFile = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Measure a registered model on its hold-out rows, or on all rows of other data.

    Example: modelport evaluate --model housing/3 --data data/raw/housing.csv
    """
    wired = container(model=model, schema_file=schema)
    ref = wired.model_ref()
    with output.working(f"evaluating {ref}"):
        source = open_data(wired, data, (delimiter, decimal, encoding))
        report: EvaluationReport = wired.evaluate_model()(source, ref)
    which = "hold-out" if report.holdout_only else "all rows"
    if as_json:
        output.emit(
            {
                "model": report.version.label,
                "metrics": report.metrics.to_mapping(),
                "rows": which,
                "data": report.data.to_mapping(),
            }
        )
        return
    header = ["model", "RMSE", "MAE", "R²", f"rows ({which})"]
    output.show_rows(header, [(report.version.label, *metric_cells(report.metrics))])
