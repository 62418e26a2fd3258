import json
from dataclasses import dataclass, field, replace

import pytest

from application.experiments.report_experiments import Drawn, ReportExperiments, figures_of
from domain.errors import InvalidData, NotFound
from domain.model.bundle import Bundle
from domain.reports.document import Code, Output
from domain.reports.experiment_report import experiment_report
from domain.reports.figures import Bars, Figure
from domain.training.specification import TrainingSpec
from tests.fakes.reports import MemoryNotebooks
from tests.support.houses import DUMMY, LINEAR, RIDGE, SpoiledStore, World, source, split_of
from tests.support.laboratory import Laboratory


@dataclass
class Sketcher:
    """A plotter that notes what it was asked to draw."""

    drawn: list[Figure] = field(default_factory=list)

    def draw(self, figure: Figure) -> str:
        self.drawn.append(figure)
        return f"<svg>{figure.name}</svg>"


def report(lab: Laboratory, world: World) -> Drawn:
    return ReportExperiments(lab.results, world.load, Sketcher(), MemoryNotebooks)()


def text(drawn: Drawn) -> str:
    sections = drawn.report.sections
    words = [sentence for section in sections for sentence in section.sentences]
    return "\n".join([*drawn.report.summary, *words])


def titles(drawn: Drawn) -> list[str]:
    return [section.title for section in drawn.report.sections]


def test_without_experiments_there_is_nothing_to_report() -> None:
    with pytest.raises(NotFound, match="run `modelport experiments run`"):
        report(Laboratory(), World())


def test_a_closed_holdout_is_called_so() -> None:
    lab = Laboratory()
    lab.run()
    drawn = report(lab, World())
    assert drawn.evidence.openings == ()
    assert "It was not judged by the hold-out yet" in text(drawn)
    assert "They were never opened." in text(drawn)
    assert "It is not what `modelport train` trains" in text(drawn)
    assert "The luck of the split" not in titles(drawn)


def test_every_opening_of_the_holdout_is_counted_also_of_what_was_refused() -> None:
    lab, world = Laboratory(), World()
    lab.run(LINEAR)
    for spec in (LINEAR, RIDGE, LINEAR):
        world.train(spec)
    drawn = report(lab, world)
    assert [opening.model for opening in drawn.evidence.openings] == ["houses/1", "houses/2"]
    assert drawn.evidence.openings[0].aliases == ("champion",)
    assert "The hold-out was opened twice" in text(drawn)
    shown = drawn.evidence.opened_by(drawn.evidence.chosen)
    assert shown is not None
    assert shown.rmse == drawn.evidence.openings[0].rmse
    assert figures_of(drawn.evidence)["holdout_rmse"] == shown.rmse


def test_other_data_and_other_splits_do_not_count() -> None:
    lab, world = Laboratory(), World()
    lab.run()
    world.train(LINEAR, source(seed=9))
    world.train(split_of(LINEAR, 0.2, 7))
    world.train(split_of(LINEAR, 0.3, 42))
    assert report(lab, world).evidence.openings == ()


def test_a_version_that_is_broken_is_left_out() -> None:
    store = SpoiledStore()
    lab, world = Laboratory(), World(store)
    lab.run()
    world.train(DUMMY)
    world.train(LINEAR)
    store.spoil[1] = lambda bundle: Bundle({**bundle.files, "model.onnx": b"x"})
    assert [opening.model for opening in report(lab, world).evidence.openings] == ["houses/2"]


def test_seeds_and_search_have_parts_of_their_own() -> None:
    lab = Laboratory()
    lab.run(TrainingSpec(parameters={"learning_rate": 0.12}))
    lab.seeds(0, 1, 2)
    drawn = report(lab, World())
    assert "The luck of the split" in titles(drawn)
    assert "The search for hyper-parameters" in titles(drawn)
    assert "64% to learn from, 16% left out, 20% to judge by" in text(drawn)
    assert "trained on 3 other splits" in text(drawn)


def test_the_page_says_that_no_search_has_seen_what_its_find_is_scored_by() -> None:
    lab = Laboratory()
    lab.run(TrainingSpec(parameters={"learning_rate": 0.12}))
    drawn = report(lab, World())
    assert "tries 2 others, judged by 2 folds of the rows that it is given" in text(drawn)
    assert "It is made 4 times: once in the training rows of each of the 3 folds" in text(drawn)
    assert "no row by which the step search is scored was seen by the search" in text(drawn)
    assert "In 3 of 3 folds the search found better than its start" in text(drawn)
    (section,) = [s for s in drawn.report.sections if s.title.startswith("The search")]
    by_fold = section.tables[0]
    assert [row[0] for row in by_fold.rows] == ["fold 1", "fold 2", "fold 3", "all rows"]
    for _, start, least, *_ in by_fold.rows:
        assert float(str(start)) > float(str(least))


def test_a_search_that_finds_nothing_is_said_to() -> None:
    lab = Laboratory()
    lab.run()
    words = text(report(lab, World()))
    assert "In 0 of 3 folds the search found better than its start" in words
    assert "the one in all rows found none" in words
    assert "On rows that they had not seen: refused: it answers like linear" in words


def test_what_was_chosen_is_told_with_its_hyper_parameters() -> None:
    lab = Laboratory()
    lab.run(only=["dummy", "linear"])
    (section,) = [s for s in report(lab, World()).report.sections if "What was" in s.title]
    assert section.title == "What was chosen: linear"
    assert section.sentences[0].startswith("linear on plain features; a fold takes")
    assert "learning_rate 0.05, max_features 0.05" in section.sentences[1]


def test_the_answer_says_why_it_was_taken_and_what_was_refused_after_it() -> None:
    lab = Laboratory()
    lab.run()
    answer = report(lab, World()).report.summary
    assert answer[1].startswith("linear was taken: lowers the RMSE of dummy by")
    assert answer[1].endswith(
        "What was tried after it was refused: ridge, tree, random_forest, boosting, search."
    )
    first = Laboratory()
    first.run(only=["dummy"])
    assert "was taken" not in " ".join(report(first, World()).report.summary)


def test_seeds_of_other_data_are_left_out() -> None:
    lab = Laboratory()
    lab.seeds(0, 1)
    lab.run(data=source(seed=4))
    assert report(lab, World()).evidence.seeds is None


def test_simulated_data_are_named() -> None:
    lab = Laboratory()
    lab.run(data=source(simulated=True))
    assert report(lab, World()).report.warning.startswith("Simulated data")


def test_every_figure_is_drawn_once_under_its_own_name() -> None:
    lab = Laboratory()
    lab.run()
    lab.seeds(0, 1)
    drawn = report(lab, World())
    names = [figure.name for figure in drawn.report.figures]
    assert len({*names}) == len(names)
    assert drawn.figures == {name: f"<svg>{name}</svg>" for name in names}
    assert {"ladder", "learning", "importance", "front", "calibration"} <= {*names}


def test_intervals_are_those_of_the_version_in_use() -> None:
    lab, world = Laboratory(), World()
    lab.run(LINEAR)
    assert "Intervals" not in titles(report(lab, world))
    known = {
        "level": 0.9,
        "coverage": 0.91,
        "narrower": 0.2,
        "width": 3.0,
        "rows": 12,
        "segments": [
            {"by": "prediction", "segment": "1 to 2", "coverage": 0.95, "rows": 6, "width": 1.0},
            {"by": "place", "segment": "sea", "coverage": 0.87, "rows": 6, "width": 1.0},
            {"by": "map", "segment": "everywhere", "coverage": 0.5, "rows": 2, "width": 1.0},
        ],
    }
    evidence = replace(report(lab, world).evidence, uncertainty=known)
    (section,) = [s for s in experiment_report(evidence).sections if s.title == "Intervals"]
    assert section.sentences[0].startswith("91.0% of the hold-out's true values lie in the 90%")
    assert section.sentences[0].endswith("Least covered is place sea: 87.0% of 6 rows.")
    (bars,) = section.figures
    assert isinstance(bars, Bars)
    assert (bars.values, bars.mark, bars.percent) == ((0.95, 0.87), 0.9, True)


def test_the_figures_to_compare_are_plain_json() -> None:
    lab = Laboratory()
    document = lab.run()
    figures = figures_of(report(lab, World()).evidence)
    assert json.loads(json.dumps(figures)) == figures
    assert figures["cv_rmse"]["linear"] == document["steps"][1]["rmse"]
    assert figures["chosen"] == "linear"


def test_notebooks_are_sections_at_the_end() -> None:
    lab, books = Laboratory(), MemoryNotebooks()
    lab.run(only=["dummy"])
    told = ReportExperiments(lab.results, World().load, Sketcher(), lambda: books)
    books.folders["books"] = {
        "2.ipynb": [("code", "print(2)")],
        "1.ipynb": [("markdown", "# One"), ("code", "x = 1")],
    }
    plain, drawn = told(), told("books")
    *own, first, second = drawn.report.sections
    *same, again = plain.report.sections
    assert own[:-1] == same
    assert own[-1] == replace(again, command=f"{again.command} --notebooks books")
    assert drawn.figures == plain.figures
    assert first.title == "One"
    assert first.sentences == ("The notebook `1.ipynb`, run from top to bottom for this page.",)
    assert (second.title, second.parts) == ("2", (Code("print(2)"), Output("2")))
    books.folders["books"]["3.ipynb"] = [("code", "print(z)")]
    with pytest.raises(InvalidData, match=r"books/3\.ipynb, cell 1 of 1"):
        told("books")
    with pytest.raises(NotFound, match="other"):
        told("other")
