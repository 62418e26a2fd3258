from dataclasses import replace

import numpy as np
import pytest

from domain.data.dataset import DatasetIdentity
from domain.data.feature import Feature, Kind
from domain.data.schema import Card, Ratio, Schema, Target
from domain.evaluation.assessment import assess_errors
from domain.evaluation.bootstrap import Resampling
from domain.evaluation.metrics import Metrics
from domain.evaluation.segments import segments
from domain.model.manifest import CodeVersion, Manifest
from domain.reports.document import written
from domain.reports.document_markdown import to_markdown
from domain.reports.model_card import SIMULATED, model_card, train_command
from domain.training.specification import TrainingSpec
from entrypoints.reports.document_html import to_html

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
    )


def test_intervals_hold_the_figures_and_are_the_same_every_time() -> None:
    found = _manifest().evaluation
    assert found == _manifest().evaluation
    assert found is not None
    for segment in found.segments:
        assert segment.low <= segment.rmse <= segment.high
    assert 0.8 < found.intervals.r2[0] < found.intervals.r2[1] < 1


def test_the_card_tells_use_limits_figures_and_origin() -> None:
    text = to_markdown(model_card(_manifest(), {"version": "houses/3", "aliases": "champion"}))
    for line in (
        "# Model card: houses/3",
        "To try \\*things\\*.",
        "- Not for: lending",
        "- It is short.",
        "The target, price: what was paid.",
        "The target, price: what was paid.",
        "| age\\_per\\_room | age / rooms |",
        "| aliases | champion |",
        "| code | 1.0 0123456789abcdef and changes |",
    ):
        assert f"\n{line}\n" in f"\n{text}"
    assert "| place | &lt;sea\\> |" in text
    assert "la\\|nd" in text
    assert "that predicts price in € from 3 features. Houses of one street.\n" in text
    assert "\n300 rows, of which a seeded random 20% were held out to judge by and 80% were" in text
    assert SIMULATED not in text


def test_a_simulated_model_says_so_first() -> None:
    card = model_card(_manifest(simulated=True))
    assert f"**{SIMULATED}**" in to_markdown(card)
    assert f'<p class="warning">{SIMULATED}</p>' in to_html(card)


def test_a_manifest_of_before_has_a_card_too() -> None:
    bare = replace(_manifest(), evaluation=None, schema=replace(SCHEMA, card=None))
    titles = [section.title for section in model_card(bare).sections]
    assert titles == [
        "Data and its limits",
        "Metrics",
        "Features",
        "How to reproduce it",
        "Provenance",
    ]


def test_the_command_gives_every_parameter() -> None:
    assert train_command(_manifest()) == (
        "modelport train --estimator hist_gradient_boosting --param early=false "
        "--param 'loss=a b' --param max_iter=9 --param scoring=none --features plain "
        "--seed 42 --holdout 0.2"
    )


def test_the_page_escapes_and_draws() -> None:
    page = to_html(model_card(_manifest()))
    assert "<sea>" not in page
    assert "&lt;sea&gt;" in page
    assert page.count("<svg") == page.count("</svg>") == 2
    assert page.count('class="whisker"') == 7
    assert "prefers-color-scheme: dark" in page


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, ""), (1234, "1,234"), (0.12345, "0.1235"), (1234.5, "1,234.50"), ("a", "a")],
)
def test_cells_are_written_for_people(cell: str | float | None, text: str) -> None:
    assert written(cell, precise=True) == text
