from dataclasses import replace

import pytest

from application.experiments.report_experiments import ExperimentEvidence, ReportExperiments
from domain.data.schema import Schema
from domain.training.specification import TrainingSpec
from domain.uncertainty.coverage import Coverage, SegmentCoverage, Uncertainty
from entrypoints.reports.charts.figures import Bar, Bars
from entrypoints.reports.experiments_page import ExperimentsPage, experiments_markdown
from tests.support.houses import LINEAR, RIDGE, SCHEMA, World, source
from tests.support.laboratory import MAPPED, Laboratory

SEARCHED = TrainingSpec(parameters={"learning_rate": 0.12})
UNCERTAINTY = Uncertainty(
    method="conformal intervals",
    guarantee="Approximate.",
    scores=12,
    level=0.9,
    rows=12,
    coverage=0.91,
    width=3.0,
    constant=Coverage(12, 0.9, 4.0),
    narrower=0.2,
    levels=(),
    segments=(
        SegmentCoverage("prediction", "1 to 2", 6, 0.95, 1.0),
        SegmentCoverage("place", "sea", 6, 0.87, 1.0),
        SegmentCoverage("map", "everywhere", 2, 0.5, 1.0),
    ),
)


def evidence(lab: Laboratory, world: World | None = None) -> ExperimentEvidence:
    return ReportExperiments(lab.results, (world or World()).load)()


def text(lab: Laboratory, world: World | None = None) -> str:
    return experiments_markdown(ExperimentsPage(evidence(lab, world)))


def test_an_unused_holdout_is_called_so() -> None:
    lab = Laboratory()
    lab.run()
    page = text(lab)
    assert "It was not evaluated on the hold-out yet: `modelport train` does that" in page
    assert "They were never used." in page
    assert "It is not what `modelport train` trains" in page
    assert "## Other splits" not in page
    assert "## Intervals" not in page


def test_every_use_of_the_holdout_is_counted() -> None:
    lab, world = Laboratory(), World()
    lab.run(LINEAR)
    for spec in (LINEAR, RIDGE, LINEAR):
        world.train(spec)
    page = text(lab, world)
    assert "the hold-out was used twice" in page
    assert "| houses/1 | linear |" in page
    assert "It is not what `modelport train` trains" not in page


def test_the_summary_says_why_a_step_was_taken_and_what_was_refused() -> None:
    lab = Laboratory()
    lab.run()
    page = text(lab)
    assert "linear was chosen: a weighted sum of the columns. It is one of 7 steps" in page
    assert "\nlinear was taken: lowers the RMSE of dummy by" in page
    refused = "ridge, tree, random\\_forest, hist\\_gradient\\_boosting, search"
    assert f"Steps after it were refused: {refused}.\n" in page
    first = Laboratory()
    first.run(only=["dummy"])
    assert "was taken" not in text(first).partition("## ")[0]


def test_the_chosen_step_is_shown_with_its_hyper_parameters() -> None:
    lab = Laboratory()
    lab.run(only=["dummy", "linear"])
    section = text(lab).split("\n## ")[1]
    assert section.startswith("What was chosen: linear\n\nlinear on plain features; fitting one")
    assert "learning\\_rate 0.05, max\\_features 0.05," in section
    assert section.rstrip().endswith("0.05.")


def test_seeds_and_search_have_sections() -> None:
    lab = Laboratory()
    lab.run(SEARCHED)
    lab.seeds(0, 1, 2)
    page = text(lab)
    assert "64% training rows, 16% left out, 20% hold-out" in page
    assert "trained on 3 other splits" in page
    assert "tries 2 others, each cross-validated on 2 folds of the rows it is given" in page
    assert "There are 4 searches: one in the training rows of each of the 3 folds" in page
    assert "no row that measures the step search was used by the search behind the model" in page
    assert "In 3 of 3 folds the search found a better specification than its start" in page
    found = ExperimentsPage(evidence(lab)).searches
    assert [where for where, _, _ in found] == ["fold 1", "fold 2", "fold 3", "all rows"]
    assert all(start.rmse > least.rmse for _, start, least in found)


def test_a_search_without_a_find_is_called_so() -> None:
    lab = Laboratory()
    lab.run()
    page = text(lab)
    assert "In 0 of 3 folds the search found a better specification than its start" in page
    assert "the search in all rows found none" in page
    assert (
        "the searches did not use, the step was refused: its errors equal those of linear" in page
    )


def test_simulated_data_are_named_first() -> None:
    lab = Laboratory()
    lab.run(data=source(simulated=True))
    assert "\n\n> **Simulated data: " in text(lab)


@pytest.mark.parametrize("schema", [SCHEMA, MAPPED])
def test_every_figure_is_shown_once(schema: Schema) -> None:
    lab = Laboratory()
    lab.run(schema=schema)
    lab.seeds(0, 1)
    page = ExperimentsPage(evidence(lab))
    figures, shown = page.figures(), experiments_markdown(page)
    for name in figures:
        assert shown.count(f"](figures/{name}.svg)") == 1
    assert shown.count("![") == len(figures)
    assert ("map" in figures) == (schema is MAPPED)
    assert {"ladder", "learning", "importance", "front", "calibration", "seeds"} <= {*figures}


def test_intervals_are_those_of_the_champion() -> None:
    lab = Laboratory()
    lab.run(LINEAR)
    page = ExperimentsPage(replace(evidence(lab), uncertainty=UNCERTAINTY))
    shown = experiments_markdown(page)
    assert "91.0% of the true values of the hold-out are inside the 90% interval" in shown
    assert "The lowest coverage is that of place sea: 87.0% of 6 rows." in shown
    bars = page.figures()["coverage"]
    assert isinstance(bars, Bars)
    assert [bar.value for bar in bars.rows] == [0.95, 0.87]
    assert bars.rows[0] == Bar("1 to 2  (6 rows)", 0.95)
    assert (bars.mark, bars.percent) == (0.9, True)


def test_the_page_says_how_to_repeat_it() -> None:
    lab = Laboratory()
    lab.run(only=["dummy"])
    page = ExperimentsPage(evidence(lab), "my books")
    assert experiments_markdown(page).endswith(
        "```sh\n"
        "modelport experiments run --seed 42 --folds 3 --budget 3\n"
        "modelport experiments seeds\n"
        "modelport train\n"
        "modelport experiments report --notebooks 'my books'\n"
        "```\n"
    )
