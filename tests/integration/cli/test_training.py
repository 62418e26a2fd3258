import json
from pathlib import Path

import pytest

from tests.integration.program import Place, place


def test_training_reports_metrics_decision_and_data(empty: Place, sample_csv: Path) -> None:
    report = empty.good("train", "--estimator", "ridge", "--param", "alpha=2", "--json").document
    assert (report["model"], report["version"], report["promoted"]) == ("housing/1", 1, True)
    assert report["reasons"] == ["there is no champion yet"]
    assert report["champion"] is None
    assert report["training"]["parameters"] == {"alpha": 2}
    assert report["metrics"]["rmse"] > report["metrics"]["mae"] > 0
    assert report["metrics"]["r2"] < 1
    assert report["metrics"]["rows"] == 80
    assert report["data"]["rows"] == 400
    assert report["data"]["uri"] == str(sample_csv)
    assert len(report["data"]["sha256"]) == 64
    assert len(report["data"]["md5"]) == 32
    assert report["seconds"] > 0
    lines = (empty / "artifacts/runs/runs.jsonl").read_text().splitlines()
    *folds, run = map(json.loads, lines)
    assert run["id"] == report["run"]
    assert {fold["parent"] for fold in folds} == {run["id"]}
    assert run["title"] == f"housing {run['params']['estimator']}"
    assert run["metrics"]["training_rows"] + report["metrics"]["rows"] == report["data"]["rows"]


def test_the_result_of_training_is_printed(empty: Place) -> None:
    shown = empty.good("train", "--estimator", "ridge").out
    assert "RMSE (USD)" in shown
    assert "promoted: there is no champion yet" in shown
    assert "400 rows, SHA-256" in shown


def test_training_again_prints_that_nothing_changed(empty: Place) -> None:
    shown = [empty.good("train", "--estimator", "ridge").out for _ in range(2)]
    assert "promoted: there is no champion yet" in shown[0]
    assert "unchanged: identical to the champion housing/1" in shown[1]


def test_training_twice_makes_one_version(empty: Place) -> None:
    first, second = (
        empty.good("train", "--estimator", "tree", "--json").document for _ in range(2)
    )
    assert second["bundle"] == first["bundle"]
    assert second["model"] == first["model"] == "housing/1"
    assert second["reasons"] == ["identical to the champion housing/1"]
    assert second["run"] != first["run"]
    assert empty.registered() == [("housing/1", ["champion"])]


def test_training_is_reproducible_across_processes(tmp_path: Path, sample_csv: Path) -> None:
    bundles = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        where = place(
            tmp_path / name, MODELPORT_DATA=str(sample_csv), PYTHONHASHSEED=str(len(name))
        )
        ran = where.good("train", "--param", "max_iter=50", "--json", process=True)
        bundles.append(ran.document["bundle"])
    assert bundles[0] == bundles[1]


def test_the_seed_decides_the_split(empty: Place) -> None:
    one, other = (
        empty.good("train", "--estimator", "ridge", "--seed", seed, "--no-promote", "--json")
        for seed in ("1", "2")
    )
    assert one.document["metrics"] != other.document["metrics"]


def test_a_worse_model_is_registered_and_not_promoted(trained: Place) -> None:
    ran = trained.call("train", "--estimator", "dummy", "--seed", "7", "--json")
    assert ran.code == 3
    assert ran.document["promoted"] is False
    assert "is higher than the" in ran.document["reasons"][0]
    assert "of housing/2" in ran.document["reasons"][0]
    assert trained.registered()[1:] == [("housing/2", ["champion"]), ("housing/3", [])]
    told = trained.call("train", "--estimator", "dummy", "--seed", "7")
    assert told.code == 3
    assert "not promoted: RMSE" in told.out
    assert "housing/2 (champion)" in told.out


def test_a_decision_is_printed_with_every_check_and_recorded(trained: Place) -> None:
    ran = trained.call("train", "--estimator", "dummy", "--seed", "7")
    header = next(line for line in ran.out.splitlines() if line.startswith("check"))
    assert header.split() == ["check", "result", "measured"]
    for check in ("error     failed", "cost      not applicable", "latency   passed"):
        assert f"\n{check}" in ran.out
    (*_, decision) = trained.good("models", "history", "--json").document["decisions"]
    assert (decision["action"], decision["outcome"]) == ("train", "refused")
    assert (decision["version"], decision["champion"]) == ("housing/3", "housing/2")
    error = decision["evidence"]["checks"][0]
    assert 0 < error["low"] < error["difference"] < error["high"]
    run = json.loads((trained / "artifacts/runs/runs.jsonl").read_text().splitlines()[-1])
    assert run["tags"]["decision"] == "; ".join(decision["reasons"])
    assert run["metrics"]["gate.error.low"] == error["low"]
    folder = trained / "artifacts/runs/artifacts" / run["id"]
    assert json.loads((folder / "decision.json").read_text())["checks"][0] == error


def test_a_model_over_the_latency_budget_is_not_promoted(empty: Place) -> None:
    slow = empty.having(MODELPORT_LATENCY_BUDGET_MS="0.0001")
    ran = slow.call("train", "--estimator", "dummy", "--json")
    assert ran.code == 3
    assert "above the budget of 0.0001 ms" in ran.document["reasons"][0]
    assert slow.registered() == [("housing/1", [])]


def test_promotion_can_be_skipped(trained: Place) -> None:
    ran = trained.good("train", "--estimator", "random_forest", "--no-promote", "--json")
    assert ran.document["promoted"] is False
    assert trained.registered()[1] == ("housing/2", ["champion"])


def test_a_champion_is_evaluated_on_its_holdout_or_on_all_rows_of_other_data(
    trained: Place, tmp_path: Path
) -> None:
    own = trained.good("evaluate", "--json").document
    assert (own["model"], own["rows"], own["metrics"]["rows"]) == ("housing/2", "hold-out", 80)
    shown = trained.good("models", "show", "housing", "--json").document
    assert own["metrics"]["rmse"] == pytest.approx(shown["metrics"]["rmse"], rel=1e-12)
    other = trained.good("evaluate", "--model", "housing/1", "--data", "sample:50", "--json")
    assert (other.document["model"], other.document["rows"]) == ("housing/1", "all rows")
    assert other.document["metrics"]["rows"] == 50
    assert "rows (all rows)" in trained.good("evaluate", "--data", "sample:50").out


def test_a_model_trained_on_simulated_data_is_marked_everywhere(empty: Place) -> None:
    ran = empty.good("train", "--data", "sample:300", "--estimator", "ridge")
    assert "trained on simulated data" in ran.err
    assert "(simulated)" in empty.good("models", "list").out
    assert empty.good("models", "show", "housing", "--json").document["data"]["simulated"] is True


def test_a_model_of_real_data_replaces_one_of_simulated_data_but_not_the_reverse(
    empty: Place,
) -> None:
    empty.good("train", "--data", "sample:300", "--estimator", "ridge")
    ran = empty.good("train", "--estimator", "dummy", "--json")
    assert ran.document["reasons"] == [
        "trained on real data, while housing/1 was trained on simulated data"
    ]
    back = empty.call("train", "--data", "sample:300", "--estimator", "tree", "--json")
    assert back.code == 3
    assert "while housing/2 was trained on real data" in back.document["reasons"][0]


def test_a_table_too_small_for_intervals_is_told_so(empty: Place) -> None:
    ran = empty.good("train", "--data", "sample:20", "--estimator", "ridge")
    assert "none: 16 training rows are too few, calibration needs 20" in ran.out


def test_the_default_model_reaches_the_published_figures(default_model: Place) -> None:
    report = json.loads((default_model / "report.json").read_text())
    assert report["training"] == {
        "estimator": "hist_gradient_boosting",
        "parameters": {},
        "features": "spatial",
        "holdout": 0.2,
        "validation": 0.0,
        "seed": 42,
    }
    assert report["metrics"]["rows"] == 4128
    assert report["metrics"]["rmse"] <= 39_000
    assert report["metrics"]["r2"] >= 0.88


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--param", "alpha"], "--param 'alpha' is not of the form name=value"),
        (["--param", "aplha=1"], "alpha"),
        (["--param", "alpha=much"], "alpha"),
        (["--seed", "-1"], "seed: -1 is not from 0 to 4294967295"),
        (["--holdout", "1.5"], "hold-out fraction: 1.5 is not between 0 and 1"),
        (["--holdout", "nan"], "hold-out fraction"),
        (["--validation", "0.8"], "validation fraction: 0.8 is not from 0 to below 0.8"),
        (["--schema", "absent.toml"], "absent.toml"),
        (["--data", "data.xlsx"], "the suffix must be one of .parquet, .csv, .tsv, .jsonl"),
        (["--data", "sample:many"], "such as sample:1000"),
    ],
    ids=" ".join,
)
def test_invalid_options_of_training_are_refused_and_leave_no_version(
    empty: Place, options: list[str], said: str
) -> None:
    ran = empty.call("train", "--estimator", "ridge", *options)
    assert ran.code == 78
    assert said in ran.err
    assert empty.registered() == []
