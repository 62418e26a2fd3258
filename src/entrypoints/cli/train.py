"""`train` and `evaluate`."""

from dataclasses import replace
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.markup import escape

from application.evaluation.evaluate_model import EvaluationReport
from application.ports import DataSource
from application.training.train_model import TrainingReport
from domain.data.schema import Schema
from domain.data.split import Split
from domain.features.feature_set import FeatureSet
from domain.promotion.candidate import Candidate
from domain.promotion.decision import PromotionDecision
from domain.training.specification import Estimator, TrainingSpec
from domain.uncertainty.coverage import Uncertainty
from entrypoints.cli import output
from entrypoints.cli.options import (
    AsJson,
    Data,
    Model,
    SchemaFile,
    container,
    parse_parameters,
    parse_ref,
)
from entrypoints.errors import REFUSED
from entrypoints.reports.model_description import describe_intervals


def train(
    data: Data = None,
    schema: SchemaFile = None,
    estimator: Annotated[
        Estimator | None,
        typer.Option(
            metavar="KIND",
            help=f"What to fit: {', '.join(Estimator)}.",
            show_default="what the experiments chose",
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="A hyper-parameter; may be repeated.", show_default=False
        ),
    ] = None,
    features: Annotated[
        FeatureSet | None,
        typer.Option(
            metavar="KIND",
            help=f"What the estimator sees: {', '.join(FeatureSet)}. By default spatial for "
            f"gradient boosting where the schema has coordinates.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of split and estimator.")] = 42,
    holdout: Annotated[float, typer.Option(help="Fraction of rows to judge by.")] = 0.2,
    validation: Annotated[
        float, typer.Option(help="Fraction of rows to leave out, neither learnt nor judged by.")
    ] = 0.0,
    promote: Annotated[
        bool,
        typer.Option("--promote/--no-promote", metavar="", help="Let the winner become champion."),
    ] = True,
    intervals: Annotated[
        bool,
        typer.Option(
            "--intervals/--no-intervals",
            metavar="",
            help="Calibrate intervals, which takes five more fits.",
        ),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Fit a model, judge it on the hold-out, register it, and let the gate decide.

    Without --estimator it is the specification that the experiments chose: the file beside the
    schema file, `housing.champion.toml` for `housing.toml`, or gradient boosting without one.
    Exit code 3 when the gate refuses: the version is registered and the champion stays.

    Example: modelport train --estimator ridge --param alpha=10
    """
    started = perf_counter()
    wired = container(schema_file=schema)
    table = wired.schema()
    split = Split(holdout, seed, validation)
    base = wired.specification() if estimator is None else TrainingSpec(estimator)
    parameters = {**base.parameters, **parse_parameters(param or [])}
    spec = replace(base, parameters=parameters, split=split, features=features or base.features)
    spec = spec.for_schema(table)
    with output.working(f"training {spec.estimator.value}"):
        source: DataSource = wired.source(data)
        report = wired.train_model()(source, table, spec, promote=promote, intervals=intervals)
    output.note_ignored(table.unknown(source.columns), report.data.uri)
    seconds = perf_counter() - started
    if as_json:
        output.emit(training_document(report, spec, seconds))
    else:
        show_training(report, table, spec, seconds)
    if promote and not report.decision.promoted:
        raise typer.Exit(REFUSED)


def training_document(report: TrainingReport, spec: TrainingSpec, seconds: float) -> dict[str, Any]:
    """Return what `train --json` prints."""
    champion = report.champion
    return {
        "model": report.version.label,
        "version": report.version.number,
        "bundle": report.version.bundle_id,
        "training": spec.to_mapping(),
        "metrics": report.metrics.to_mapping(),
        "uncertainty": _in_short(report.uncertainty),
        "champion": {"model": champion.label} if champion else None,
        "promoted": report.decision.promoted,
        "reasons": list(report.decision.reasons),
        "checks": [check.to_mapping() for check in report.decision.checks],
        "data": report.data.to_mapping(),
        "run": report.run_id,
        "seconds": round(seconds, 3),
    }


def _in_short(uncertainty: Uncertainty | None) -> dict[str, float] | None:
    figures = ("level", "coverage", "width", "narrower")
    return None if uncertainty is None else {name: getattr(uncertainty, name) for name in figures}


def show_training(
    report: TrainingReport, schema: Schema, spec: TrainingSpec, seconds: float
) -> None:
    """Print what training came to, for a person to read."""
    rows: list[tuple[object, ...]] = [(report.version.label, *_figures(report.metrics))]
    if isinstance(report.champion, Candidate) and report.champion.label != report.version.label:
        rows.append((f"{report.champion.label} (champion)", *_figures(report.champion.metrics)))
    unit = f" ({schema.target.unit})" if schema.target.unit else ""
    output.show_rows(["model", f"RMSE{unit}", f"MAE{unit}", "R²", "hold-out rows"], rows)
    output.show("")
    show_decision(_verdict(report), report.decision)
    output.show(
        output.facts(
            {
                "estimator": f"{spec.estimator.value} on {spec.features} features",
                "intervals": describe_intervals(report.uncertainty),
                "data": describe_data(report.data.uri, report.data.sha256, report.data.rows),
                "run": report.run_id or "not tracked",
                "bundle": report.version.bundle_id[:12],
                "time": f"{seconds:.1f} s",
            }
        )
    )
    if report.data.simulated:
        output.say("[yellow]trained on simulated data: not for real decisions[/]")


def show_decision(verdict: str, decision: PromotionDecision) -> None:
    """Print why the gate decided so, and what each of its checks has found."""
    found = {check.words for check in decision.checks}
    why, *more = [escape(reason) for reason in decision.reasons if reason not in found]
    output.show("\n  ".join([f"{verdict}: {why}", *more]))
    if decision.checks:
        header = ["check", "verdict", "what the gate has found"]
        output.show("")
        output.show_rows(header, [(c.name, c.verdict, c.words) for c in decision.checks])
        output.show("")


def _verdict(report: TrainingReport) -> str:
    if not report.decision.promoted:
        return "[yellow]not promoted[/]"
    unchanged = report.champion is not None and report.champion.label == report.version.label
    return "[green]unchanged[/]" if unchanged else "[green]promoted[/]"


def describe_data(uri: str, sha256: str, rows: int) -> str:
    """Return a data set's place, size and digest in words."""
    return f"{uri} ({rows:,} rows, SHA-256 {sha256[:12]}…)"


def _figures(metrics: Any) -> tuple[float, float, float, int]:
    return metrics.rmse, metrics.mae, metrics.r2, metrics.rows


def evaluate(
    model: Model = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Measure a registered model: on its hold-out, or on all rows of data it has not seen.

    Example: modelport evaluate --model housing/3 --data data/raw/housing.csv
    """
    wired = container()
    ref = parse_ref(model, wired.settings().model_ref)
    with output.working(f"evaluating {ref}"):
        report: EvaluationReport = wired.evaluate_model()(wired.source(data), ref)
    which = "hold-out" if report.holdout_only else "all rows"
    if as_json:
        document = {
            "model": report.version.label,
            "metrics": report.metrics.to_mapping(),
            "rows": which,
            "data": report.data.to_mapping(),
        }
        output.emit(document)
        return
    header = ["model", "RMSE", "MAE", "R²", f"rows ({which})"]
    output.show_rows(header, [(report.version.label, *_figures(report.metrics))])
