"""`experiments`: run, seeds, report."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from application.experiments.report_experiments import ExperimentEvidence
from application.ports import DataSource
from domain.canonical_json import json_value
from domain.data.schema import Schema
from domain.data.split import Split
from domain.experiments.ladder import Plan
from domain.experiments.results import ExperimentResults, SeedResults
from domain.numbers import rounded
from entrypoints.cli import output
from entrypoints.cli.options import (
    AsJson,
    Data,
    HoldoutShare,
    SchemaFile,
    ValidationShare,
    container,
    flag,
    option,
)
from entrypoints.reports.experiments_page import ExperimentsPage, experiments_markdown
from entrypoints.reports.rendering import summary
from entrypoints.reports.report_files import write_report
from entrypoints.wiring.builders import save_specification
from entrypoints.wiring.extras import needs

app = typer.Typer(add_completion=False, no_args_is_help=True)

Only = Annotated[
    list[str] | None,
    option(
        "STEP", "Compute this step only; may be repeated. Stored results of other steps are shown."
    ),
]
Fresh = Annotated[bool, flag("--fresh", "Ignore stored results.")]
Update = Annotated[
    bool, flag("--update", "Write the chosen specification to the file that `train` reads.")
]
Seed = Annotated[int, typer.Option(help="Seed of hold-out, folds, search and estimators.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that fit concurrently.", show_default="one per core"),
]


@app.command()
def run(
    data: Data = None,
    schema: SchemaFile = None,
    only: Only = None,
    seed: Seed = 42,
    folds: Annotated[int, typer.Option(help="Folds of the training rows.")] = 5,
    budget: Annotated[int, typer.Option(help="Trials per search.")] = 10,
    fresh: Fresh = False,
    update: Update = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Compare a ladder of models on the same folds, tune, and select by paired comparison.

    The hold-out is not used: `train` evaluates the chosen specification on it.
    Results for the same data, specification and code are stored and not computed again.

    Example: modelport experiments run --only hist_gradient_boosting --folds 3
    """
    wired = container(schema_file=schema)
    table: Schema = wired.schema()
    source: DataSource = wired.source(data)
    plan = Plan(seed=seed, folds=folds, budget=budget)
    current = replace(wired.specification(), split=plan.split)
    use_case = wired.run_experiments()
    use_case = replace(use_case, cross_validate=replace(use_case.cross_validate, workers=workers))
    with output.working(f"comparing a ladder of models on {folds} folds"):
        results: ExperimentResults = use_case(
            source, table, current, plan, only=only or (), fresh=fresh, report=_say
        )
    if update and not results.confirmed:
        written = save_specification(wired.settings(), results.specification)
        output.say(f"written to {escape(str(written))}: {results.chosen}")
    if as_json:
        output.emit(json_value(results))
    else:
        _show_ladder(results)


@app.command()
def seeds(
    data: Data = None,
    schema: SchemaFile = None,
    number: Annotated[int, typer.Option("--seeds", help="Number of seeds, from 0.")] = 10,
    holdout: HoldoutShare = 0.2,
    validation: ValidationShare = 0.16,
    fresh: Fresh = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Train the chosen specification on several random splits: how much the metric varies.

    By default 64% of the rows are training rows and 20% are hold-out, as in published comparisons.

    Example: modelport experiments seeds --seeds 10
    """
    wired = container(schema_file=schema)
    table: Schema = wired.schema()
    source: DataSource = wired.source(data)
    spec = replace(wired.specification(), split=Split(holdout, 0, validation))
    use_case = wired.try_seeds()
    use_case = replace(use_case, cross_validate=replace(use_case.cross_validate, workers=workers))
    with output.working(f"training on {number} splits"):
        found: SeedResults = use_case(
            source, table, spec, range(number), fresh=fresh, report=output.say
        )
    if as_json:
        output.emit(json_value(found))
        return
    rows = [(each.seed, each.rmse) for each in found.seeds]
    unit = f" ({table.target.unit})" if table.target.unit else ""
    output.show_rows(["seed", f"RMSE{unit}"], rows)
    output.show("")
    output.show(f"mean {rounded(found.mean)}, standard error {rounded(found.standard_error)}")


@app.command()
def report(
    out: Annotated[
        Path | None,
        option("FOLDER", "Folder to write the page to.", default="experiments/ in MODELPORT_HOME"),
    ] = None,
    notebooks: Annotated[
        Path | None,
        option("FOLDER", "Run the notebooks of this folder and show them at the end of the page."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a page on how the model was chosen: report.html, report.md and its figures.

    The page is made from stored results of `run`, `seeds` and `train`; nothing is fitted.
    The command also writes metrics.json and the values of the figures as CSV files, for DVC.
    If a notebook fails, the command ends and an earlier page stays as it was.

    Example: modelport experiments report --notebooks docs/experiments
    """
    wired = container()
    folder = out or wired.settings().home / "experiments"
    with output.working("running the notebooks" if notebooks else "drawing the figures"):
        evidence: ExperimentEvidence = wired.report_experiments()()
        page, written = _write_report(evidence, notebooks, folder)
    if as_json:
        output.emit({"written": [str(path) for path in written], **evidence.metrics()})
        return
    for paragraph in summary(experiments_markdown(page)):
        output.show(escape(paragraph))
    output.show("")
    output.show(output.facts({"page": written[0], "Markdown": written[1]}))


def _say(line: str) -> None:
    output.say(escape(line))


@needs("experiments")
def _write_report(
    evidence: ExperimentEvidence, notebooks: Path | None, folder: Path
) -> tuple[ExperimentsPage, list[Path]]:
    page = ExperimentsPage(evidence)
    if notebooks is not None:
        from entrypoints.reports.notebooks import run_notebooks

        page = ExperimentsPage(evidence, str(notebooks), run_notebooks(str(notebooks)))
    return page, write_report(page, folder)


def _show_ladder(results: ExperimentResults) -> None:
    unit = f" ({results.target.unit})" if results.target.unit else ""
    header = ["step", f"RMSE{unit}", "fit (s)", "size (kB)", "one row (µs)", "decision"]
    rows = [
        (s.name, s.rmse, s.fit_seconds, round(s.size / 1000), round(s.row_us), s.decision.reason)
        for s in results.steps
    ]
    output.show_rows(header, rows)
    output.show("")
    used = "`train` uses it" if results.confirmed else "`train` does not use it yet"
    output.show(f"chosen: {results.chosen}; {used}")
