"""`train`: fit, evaluate, register and perhaps promote a model."""

from dataclasses import replace
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.markup import escape

from application.training.train_model import TrainingReport
from domain.data.schema import Schema
from domain.data.split import Split
from domain.evaluation.metrics import Metrics
from domain.features.feature_set import FeatureSet
from domain.promotion.candidate import Candidate
from domain.promotion.decision import PromotionDecision
from domain.training.specification import Estimator, Parameter, TrainingSpec
from domain.uncertainty.coverage import Uncertainty
from entrypoints.cli import output
from entrypoints.cli.options import (
    AsJson,
    Data,
    Decimal,
    Delimiter,
    Encoding,
    HoldoutShare,
    SchemaFile,
    ValidationShare,
    container,
    flag,
    open_data,
    option,
    parse_parameters,
)
from entrypoints.errors import REFUSED
from entrypoints.reports.model_description import describe_intervals

app = typer.Typer(add_completion=False)

EstimatorKind = Annotated[
    Estimator | None,
    option(
        "KIND",
        f"Estimator to fit: {', '.join(Estimator)}.",
        default="the specification of the schema",
    ),
]
Parameters = Annotated[
    list[str] | None, option("NAME=VALUE", "A hyper-parameter; may be repeated.")
]
Features = Annotated[
    FeatureSet | None,
    option(
        "KIND",
        f"Feature set: {', '.join(FeatureSet)}. Default: spatial for gradient boosting "
        f"if the schema has coordinates, else plain.",
    ),
]
Promote = Annotated[
    bool, flag("--promote/--no-promote", "Apply the promotion gate to the new version.")
]
Intervals = Annotated[
    bool,
    flag(
        "--intervals/--no-intervals", "Calibrate prediction intervals; this takes five more fits."
    ),
]


@app.command()
def train(
    data: Data = None,
    schema: SchemaFile = None,
    estimator: EstimatorKind = None,
    param: Parameters = None,
    features: Features = None,
    seed: Annotated[int, typer.Option(help="Seed of split and estimator.")] = 42,
    holdout: HoldoutShare = 0.2,
    validation: ValidationShare = 0.0,
    promote: Promote = True,
    intervals: Intervals = True,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Fit a model, evaluate it on the hold-out, register it, and apply the promotion gate.

    Without --estimator, the specification next to the schema file is trained:
    `housing.champion.toml` for `housing.toml`; without such a file, gradient boosting.
    Exit code 3: the version is registered, but not promoted; the champion stays.

    Example: modelport train --estimator ridge --param alpha=10
    """
    started = perf_counter()
    wired = container(schema_file=schema)
    table = wired.schema()
    base = wired.specification() if estimator is None else TrainingSpec(estimator)
    split, given = Split(holdout, seed, validation), parse_parameters(param or [])
    spec = _changed(base, given, split, features).for_schema(table)
    with output.stages(f"training {spec.estimator.value}") as show_stage:
        source = open_data(wired, data, (delimiter, decimal, encoding))
        report = wired.train_model()(
            source, table, spec, promote=promote, intervals=intervals, progress=show_stage
        )
    output.note_ignored(table.unknown(source.columns), report.data.uri)
    seconds = perf_counter() - started
    if as_json:
        output.emit(training_document(report, spec, seconds))
    else:
        show_training(report, table, spec, seconds)
    if promote and not report.decision.promoted:
        raise typer.Exit(REFUSED)


def _changed(
    base: TrainingSpec, given: dict[str, Parameter], split: Split, features: FeatureSet | None
) -> TrainingSpec:
    parameters = {**base.parameters, **given}
    return replace(base, parameters=parameters, split=split, features=features or base.features)


def training_document(report: TrainingReport, spec: TrainingSpec, seconds: float) -> dict[str, Any]:
    """Return what `train --json` prints."""
    champion = report.champion
    return {
        "model": report.version.label,
        "version": report.version.number,
        "bundle": report.version.bundle_id,
        "training": spec.to_mapping(),
        "metrics": report.metrics.to_mapping(),
        "uncertainty": _interval_metrics(report.uncertainty),
        "champion": {"model": champion.label} if champion else None,
        "promoted": report.decision.promoted,
        "reasons": list(report.decision.reasons),
        "checks": [check.to_mapping() for check in report.decision.checks],
        "data": report.data.to_mapping(),
        "run": report.run_id,
        "seconds": round(seconds, 3),
    }


def _interval_metrics(uncertainty: Uncertainty | None) -> dict[str, float] | None:
    names = ("level", "coverage", "width", "narrower")
    return None if uncertainty is None else {name: getattr(uncertainty, name) for name in names}


def show_training(
    report: TrainingReport, schema: Schema, spec: TrainingSpec, seconds: float
) -> None:
    """Print metrics, decision and origin of a new version."""
    rows: list[tuple[object, ...]] = [(report.version.label, *metric_cells(report.metrics))]
    champion = report.champion
    if isinstance(champion, Candidate) and champion.label != report.version.label:
        rows.append((f"{champion.label} (champion)", *metric_cells(champion.metrics)))
    unit = f" ({schema.target.unit})" if schema.target.unit else ""
    output.show_rows(["model", f"RMSE{unit}", f"MAE{unit}", "R²", "hold-out rows"], rows)
    output.show("")
    _show_decision(_outcome(report), report.decision)
    data = report.data
    output.show(
        output.facts(
            {
                "estimator": f"{spec.estimator.value} on {spec.features} features",
                "intervals": describe_intervals(
                    report.uncertainty, data.rows - report.metrics.rows
                ),
                "data": f"{data.uri} ({data.rows:,} rows, SHA-256 {data.sha256[:12]}…)",
                "run": report.run_id or "not tracked",
                "bundle": report.version.bundle_id[:12],
                "time": f"{seconds:.1f} s",
            }
        )
    )
    if data.simulated:
        output.say("[yellow]trained on simulated data: not for real decisions[/]")


def metric_cells(metrics: Metrics) -> tuple[float, float, float, int]:
    """Return RMSE, MAE, R² and the number of rows."""
    return metrics.rmse, metrics.mae, metrics.r2, metrics.rows


def _outcome(report: TrainingReport) -> str:
    if not report.decision.promoted:
        return "[yellow]not promoted[/]"
    unchanged = report.champion is not None and report.champion.label == report.version.label
    return "[green]unchanged[/]" if unchanged else "[green]promoted[/]"


def _show_decision(outcome: str, decision: PromotionDecision) -> None:
    """Print the reason that decided, then the result of every check."""
    in_table = {check.summary for check in decision.checks}
    first, *more = decision.reasons
    lines = [
        f"{outcome}: {escape(first)}",
        *(escape(each) for each in more if each not in in_table),
    ]
    output.show("\n  ".join(lines))
    if decision.checks:
        output.show("")
        results = [(check.name, check.result, check.summary) for check in decision.checks]
        output.show_rows(["check", "result", "measured"], results)
        output.show("")
