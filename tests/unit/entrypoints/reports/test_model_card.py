from dataclasses import replace

import numpy as np

from domain.data.dataset import DatasetIdentity
from domain.data.feature import Feature, Kind
from domain.data.schema import Card, Ratio, Schema, Target
from domain.evaluation.assessment import assess_errors
from domain.evaluation.bootstrap import Resampling
from domain.evaluation.metrics import Metrics
from domain.evaluation.segments import segments
from domain.model.manifest import CodeVersion, Manifest
from domain.training.specification import TrainingSpec
from domain.uncertainty.coverage import (
    Coverage,
    LevelCoverage,
    SegmentCoverage,
    Uncertainty,
)
from entrypoints.reports.model_card import ModelCard, card_html, card_markdown, render_reports
from entrypoints.reports.model_description import describe_intervals

SCHEMA = Schema(
    "houses",
    Target("price", "€", "what was paid"),
    (
        Feature("age", Kind.NUMBER, "years"),
        Feature("rooms", Kind.NUMBER),
        Feature("place", Kind.CATEGORY, categories=("<sea>", "la|nd")),
    ),
    (Ratio("age_per_room", "age", "rooms"),),
    description="houses of one street",
    card=Card(("To try *things*.",), ("lending",), "A street.", ("It is short.",)),
)
SIMULATED = "This model was trained on simulated data."
UNCERTAINTY = Uncertainty(
    method="conformal intervals",
    guarantee="Approximate.",
    scores=300,
    level=0.9,
    rows=60,
    coverage=0.91,
    width=30.0,
    constant=Coverage(60, 0.9, 40.0),
    narrower=0.25,
    levels=(LevelCoverage(0.9, 1.5, 60, 0.91, 30.0),),
    segments=(SegmentCoverage("place", "<sea>", 30, 0.9, 20.0),),
)


def _manifest(simulated: bool = False) -> Manifest:
    random = np.random.default_rng(0)
    target = random.normal(100, 20, 60)
    predictions = target + random.normal(0, 5, 60)
    matrix = np.column_stack([target, target, random.integers(0, 2, 60)])
    parts = segments(SCHEMA, matrix, target, "price")
    return Manifest(
        name="houses",
        schema=SCHEMA,
        training=TrainingSpec(
            parameters={"max_iter": 9, "scoring": None, "early": False, "loss": "a b"}
        ).for_schema(SCHEMA),
        metrics=Metrics(rmse=5.0, mae=4.0, r2=0.9, rows=60),
        data=DatasetIdentity("a" * 64, None, 300, simulated),
        parity=0.0,
        code=CodeVersion("1.0", "0123456789abcdef", True),
        libraries={"numpy": "2"},
        evaluation=assess_errors(target, predictions, parts, Resampling(200)),
        uncertainty=UNCERTAINTY,
    )


def test_the_card_has_use_limits_metrics_and_provenance() -> None:
    facts = {"version": "houses/3", "aliases": "champion", "run": ""}
    text = card_markdown(ModelCard(_manifest(), facts))
    summary = "A hist gradient boosting model that predicts price in € from 3 features."
    for line in (
        "# Model card: houses/3",
        f"{summary} Houses of one street.",
        "To try \\*things\\*.",
        "- Not for: lending",
        "A street.",
        "The target, price: what was paid.",
        "- It is short.",
        "| 0.9000 | 0.9100 | 30.00 |",
        "| place | &lt;sea\\> | 30 | 0.9000 | 20.00 |",
        "| age\\_per\\_room | age / rooms |",
        "| aliases | champion |",
        "| code | 1.0 0123456789abcdef with uncommitted changes |",
    ):
        assert f"\n{line}\n" in f"\n{text}"
    assert "\n300 rows: 20% are the hold-out, selected at random with a fixed seed; 80% are" in text
    assert "la\\|nd" in text
    assert "| run |" not in text
    assert "The mean width is 30 €, 25% less than" in text
    assert SIMULATED not in text
    assert "![" not in text


def test_a_metric_stands_with_its_interval_and_unit() -> None:
    manifest = _manifest()
    assert manifest.evaluation is not None
    low, high = manifest.evaluation.intervals.rmse
    line = f"| RMSE | 5.0000 | {low:.4f} | {high:.4f} | € | root of the mean squared error |"
    assert line in card_markdown(ModelCard(manifest))


def test_a_model_of_simulated_data_says_so_first() -> None:
    card = ModelCard(_manifest(simulated=True))
    assert f"\n> **{SIMULATED}" in card_markdown(card)
    assert "<blockquote>" in card_html(card)


def test_the_reports_of_a_run_are_the_card_and_each_chart_as_a_file() -> None:
    reports = render_reports(_manifest())
    card = ModelCard(_manifest())
    assert reports["model-card.html"].decode() == card_html(card)
    plots = {name for name in reports if name.endswith(".svg")}
    figures = (*card.error_bars, *card.coverage_bars)
    assert plots == {f"{figure.name}.svg" for figure in figures}
    assert "rmse-1.svg" in plots
    assert all(reports[name].startswith(b"<svg") for name in plots)


def test_a_manifest_without_evaluation_has_a_card_too() -> None:
    bare = replace(
        _manifest(), evaluation=None, uncertainty=None, schema=replace(SCHEMA, card=None)
    )
    text = render_reports(bare)["model-card.md"].decode()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Data and its limits",
        "## Metrics",
        "## Uncertainty",
        "## Features",
        "## How to reproduce it",
        "## Provenance",
    ]
    assert "| R² | 0.9000 |  |  |" in text


def test_the_command_gives_every_parameter() -> None:
    command = ModelCard(_manifest()).command
    assert command == (
        "modelport train --estimator hist_gradient_boosting --param early=false "
        "--param 'loss=a b' --param max_iter=9 --param scoring=none --features plain "
        "--seed 42 --holdout 0.2"
    )
    assert f"```sh\n{command}\n```" in card_markdown(ModelCard(_manifest()))


def test_the_page_draws_segments_and_folds_their_values() -> None:
    page = card_html(ModelCard(_manifest()))
    assert "<sea>" not in page
    assert "&lt;sea&gt;" in page
    assert page.count("<svg") == page.count("</svg>") == 3
    assert page.count('class="whisker"') == 7
    assert page.count("<details><summary>All values</summary>") == 2
    assert page.count("<section>") == 8
    assert "prefers-color-scheme: dark" in page


def test_a_card_without_intervals_says_why() -> None:
    few = replace(_manifest(), uncertainty=None, data=DatasetIdentity("a" * 64, None, 75, False))
    text = card_markdown(ModelCard(few))
    assert "Prediction intervals: none: 15 training rows are too few" in text
    assert "Prediction intervals: none.\n" in card_markdown(
        ModelCard(replace(_manifest(), uncertainty=None))
    )


def test_intervals_that_are_wider_than_constant_ones_are_said_to_be() -> None:
    wider = replace(UNCERTAINTY, narrower=-0.435)
    text = card_markdown(ModelCard(replace(_manifest(), uncertainty=wider)))
    assert "The mean width is 30 €, 44% more than" in text
    assert describe_intervals(wider, 240).endswith("43.5% more than intervals of constant width")
