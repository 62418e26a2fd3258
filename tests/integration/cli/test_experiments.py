import json
import re
from pathlib import Path

import pytest

from tests.integration.notebook_files import write_notebook
from tests.integration.program import Place, place

QUICK = ("--folds", "2", "--budget", "2", "--workers", "1")


@pytest.fixture(scope="module")
def _tried(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = place(tmp_path_factory.mktemp("tried"), MODELPORT_DATA="sample:2000")
    made.good("experiments", "run", *QUICK, "--only", "dummy", "--only", "ridge")
    made.good("experiments", "run", *QUICK, "--only", "tree")
    return made


@pytest.fixture
def tried(_tried: Place, tmp_path: Path) -> Place:
    """A copy of a place in which three steps of the ladder were run."""
    return _tried.copy(tmp_path)


def test_a_ladder_runs_step_by_step_and_resumes(tried: Place) -> None:
    ran = tried.good("experiments", "run", *QUICK, "--only", "dummy", "--json")
    steps = {step["name"]: step for step in ran.document["steps"]}
    assert [*steps] == ["dummy", "ridge", "tree"]
    assert steps["ridge"]["verdict"]["taken"] is True
    assert steps["ridge"]["rmse"] < steps["dummy"]["rmse"]
    assert len(steps["tree"]["scores"]) == 2
    assert "dummy: RMSE" in ran.err
    assert ran.err.count("(stored)") == 3


def test_the_ladder_and_the_chosen_step_are_printed(tried: Place) -> None:
    shown = tried.good("experiments", "run", *QUICK, "--only", "dummy").out
    assert "one row (µs)" in shown
    assert "taken: lowers the RMSE of dummy by" in shown
    assert "chosen: ridge; `train` does not use it yet" in shown


def test_update_writes_the_specification_that_train_reads(tried: Place) -> None:
    schema = tried / "data" / "housing.toml"
    schema.parent.mkdir(exist_ok=True)
    schema.write_text(Path(tried.settings["MODELPORT_SCHEMA"]).read_text())
    own = tried.having(MODELPORT_SCHEMA="data/housing.toml")
    own.good("experiments", "run", *QUICK, "--only", "dummy", "--update")
    assert 'estimator = "ridge"' in (tried / "data" / "housing.champion.toml").read_text()
    trained = own.good("train", "--param", "alpha=2", "--json").document["training"]
    assert (trained["estimator"], trained["parameters"]) == ("ridge", {"alpha": 2})
    other = own.good("train", "--estimator", "dummy", "--no-promote", "--json")
    assert other.document["training"]["estimator"] == "dummy"


def test_an_unknown_step_is_refused(tried: Place) -> None:
    ran = tried.call("experiments", "run", "--only", "oracle")
    assert ran.code == 78
    assert "there is no step oracle; allowed: dummy, linear" in ran.err


def test_seeds_print_the_mean_and_its_standard_error(tried: Place) -> None:
    schema = Path(tried.settings["MODELPORT_SCHEMA"])
    own = tried / "housing.toml"
    own.write_text(schema.read_text())
    (tried / "housing.champion.toml").write_text('estimator = "ridge"\n')
    command = ("experiments", "seeds", "--seeds", "3", "--schema", own)
    found = tried.good(*command, "--workers", "2", "--json").document
    assert [one["seed"] for one in found["seeds"]] == [0, 1, 2]
    assert "mean " in tried.good(*command).out


def test_the_report_is_written_as_pages_and_figures(tried: Place) -> None:
    tried.good("train", "--estimator", "ridge")
    shown = tried.good("experiments", "report").out
    assert "ridge was chosen" in shown
    assert "the hold-out was used once" in shown
    folder = tried / "artifacts" / "experiments"
    html, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert html.count("<svg") == len([*(folder / "figures").glob("*.svg")]) >= 8
    assert "Simulated data" in html
    assert "http" not in html
    assert "Taken: lowers the RMSE of dummy by" in text
    for figure in re.findall(r"\]\((figures/.*?\.svg)\)", text):
        assert (folder / figure).is_file()
    assert (folder / "ladder.csv").read_text().startswith("name,rmse,low,high,row_us,size\ndummy,")


def test_the_report_names_its_figures_for_programs(tried: Place) -> None:
    found = tried.good("experiments", "report", "--out", "page", "--json").document
    assert found["chosen"] == "ridge"
    assert found["holdout_rmse"] is None
    assert json.loads((tried / "page" / "metrics.json").read_text())["cv_rmse"] == found["cv_rmse"]
    assert "page/report.html" in found["written"]


def test_the_report_shows_what_notebooks_show(tried: Place) -> None:
    drawing = (
        "from IPython.display import SVG\n"
        "from os import environ\n"
        "print(environ['MODELPORT_DATA'])\n"
        "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"><text>drawn</text></svg>')"
    )
    write_notebook(tried / "books" / "one.ipynb", ("markdown", "# Shown here"), ("code", drawing))
    tried.good("experiments", "report", "--notebooks", "books", "--out", "page")
    html, text = (tried / "page/report.html").read_text(), (tried / "page/report.md").read_text()
    assert "<h2>Shown here</h2>" in html
    assert "<pre>sample:2000</pre>" in html
    assert html.count("data:image/svg+xml;base64,") == 1
    assert "![Shown here](figures/notebook-1_1_1.svg)" in text
    assert "drawn" in (tried / "page/figures/notebook-1_1_1.svg").read_text()

    write_notebook(tried / "books" / "two.ipynb", ("code", "1 / 0"))
    ran = tried.call("experiments", "report", "--notebooks", "books", "--out", "page")
    assert ran.code == 65
    assert "books/two.ipynb, cell 1 of 1 fails: ZeroDivisionError: division by zero" in ran.err
    assert (tried / "page/report.html").read_text() == html


def test_without_experiments_there_is_no_report(empty: Place) -> None:
    ran = empty.call("experiments", "report")
    assert ran.code == 66
    assert "run `modelport experiments run`" in ran.err
