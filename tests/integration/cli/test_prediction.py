import json
from pathlib import Path

import pytest

from tests.integration.cli.files import GOOD, read_rows, write_csv
from tests.integration.program import Place

SUFFIXES = (".csv", ".parquet", ".jsonl")
RECORD = {k: float(v) if k != "ocean_proximity" else v for k, v in GOOD.items()}


@pytest.mark.parametrize("given", SUFFIXES)
@pytest.mark.parametrize("wanted", SUFFIXES)
def test_every_format_is_read_and_written(
    trained: Place, sample_csv: Path, given: str, wanted: str
) -> None:
    source = trained / f"in{given}"
    trained.good("data", "sample", "--rows", "30", "--out", source)
    report = trained.good(
        "predict", source, f"out{wanted}", "--keep", "longitude", "--keep", "ocean_proximity",
        "--json",
    ).document  # fmt: skip
    assert (report["rows"], report["rejected"], report["rejects"]) == (30, 0, None)
    assert (report["model"], report["output"]) == ("housing/2", f"out{wanted}")
    rows = read_rows(trained / f"out{wanted}")
    assert [*rows[0]] == ["longitude", "ocean_proximity", "prediction", "model"]
    assert [row["longitude"] for row in rows] == [row["longitude"] for row in read_rows(source)]
    records = [{k: v for k, v in row.items() if k in GOOD} for row in read_rows(source)]
    asked = [{k: v if v != "" else None for k, v in record.items()} for record in records]
    answer = trained.call("predict-one", "-", "--json", stdin=json.dumps(asked).encode()).document
    assert answer["predictions"] == [row["prediction"] for row in rows]


def test_a_batch_may_come_in_chunks_of_any_size(trained: Place, sample_csv: Path) -> None:
    whole, cut = (trained / "whole.csv", trained / "cut.csv")
    trained.good("predict", sample_csv, whole)
    report = trained.good("predict", sample_csv, cut, "--chunk-rows", "7", "--json").document
    assert report["chunks"] == 58
    assert cut.read_bytes() == whole.read_bytes()


def test_the_result_of_a_batch_is_printed(trained: Place, sample_csv: Path) -> None:
    shown = trained.good("predict", sample_csv, "outputs/out.csv").out
    assert "400 of 400 rows with housing/2" in shown
    assert "outputs/out.csv" in shown


def test_rejects_are_written_with_row_number_and_reason(trained: Place) -> None:
    source = write_csv(
        trained / "in.csv",
        [
            GOOD,
            GOOD | {"latitude": "91"},
            GOOD | {"total_bedrooms": ""},
            GOOD | {"ocean_proximity": "MOON", "population": "many"},
            GOOD,
        ],
    )
    ran = trained.good("predict", source, "out.csv", "--json", "--keep", "latitude")
    report = ran.document
    assert (report["rows"], report["rejected"]) == (5, 2)
    assert report["rejects"] == "out.csv.rejects.jsonl"
    assert len(read_rows(trained / "out.csv")) == 3
    second, fourth = read_rows(trained / "out.csv.rejects.jsonl")
    assert second == {
        "row": 2,
        "errors": [
            {
                "field": "latitude",
                "problem": "is out of range",
                "allowed": "a number from -90 to 90 (degrees north)",
            }
        ],
    }
    assert fourth["row"] == 4
    assert {error["field"] for error in fourth["errors"]} == {"ocean_proximity", "population"}
    assert "MOON" not in (trained / "out.csv.rejects.jsonl").read_text()
    told = trained.good("predict", source, "again.csv")
    assert "2 rows rejected: see again.csv.rejects.jsonl" in told.err


def test_a_file_without_valid_rows_is_bad_data(trained: Place) -> None:
    source = write_csv(trained / "in.csv", [GOOD | {"latitude": "91"}] * 3)
    ran = trained.call("predict", source, "out.csv", "--json")
    assert ran.code == 65
    assert ran.document["rejected"] == 3
    assert f"no row of {source} fits the schema" in ran.err
    assert len(read_rows(trained / "out.csv.rejects.jsonl")) == 3


def test_a_batch_must_not_overwrite_its_input(trained: Place) -> None:
    source = write_csv(trained / "in.csv", [GOOD])
    ran = trained.call("predict", source, "./in.csv")
    assert ran.code == 78
    assert read_rows(source)[0]["latitude"] == 37.88


def test_one_row_is_predicted(trained: Place) -> None:
    answer = trained.good("predict-one", json.dumps(RECORD), "--json").document
    assert answer["model"] == "housing/2"
    (value,) = answer["predictions"]
    told = trained.good("predict-one", json.dumps(RECORD)).out
    assert told == f"median_house_value: {value:,.2f} USD\nhousing/2\n"


def test_without_a_row_the_example_of_the_schema_is_predicted(trained: Place) -> None:
    ran = trained.good("predict-one")
    assert "NEAR BAY" in ran.out
    assert "example" in ran.err
    asked = trained.good("predict-one", json.dumps(RECORD), "--json").document
    assert trained.good("predict-one", "--json").document == asked


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"", "the row is not JSON"),
        (b"\xff", "the row is not JSON"),
        (b"{'a': 1}", "the row is not JSON"),
        (b'{"latitude": NaN}', "the row is not JSON"),
        (b"[]", "there are no rows to predict"),
        (b"{}", "longitude: is missing; allowed: a number from -180 to 180"),
        (b"[1]", "row 0 is not an object"),
        (json.dumps(RECORD | {"latitude": 100}).encode(), "latitude: is out of range"),
        (json.dumps(RECORD | {"x": 1}).encode(), "row 0 has 1 unknown field"),
        (
            json.dumps(RECORD).replace("{", '{"latitude": 1, ').encode(),
            "an object with a field twice",
        ),
    ],
)
def test_a_row_that_breaks_the_schema_is_refused(trained: Place, row: bytes, said: str) -> None:
    ran = trained.call("predict-one", "-", stdin=row)
    assert ran.code == 65
    assert ran.out == ""
    assert said in ran.err


def test_too_many_rows_are_refused(trained: Place) -> None:
    rows = json.dumps([RECORD] * 3)
    ran = trained.having(MODELPORT_MAX_ROWS="2").call("predict-one", rows, "--json")
    assert ran.code == 65
    assert ran.document["error"]["detail"] == "3 rows in one request; allowed: 2"


def test_a_prediction_is_explained_by_contributions(trained: Place) -> None:
    document = trained.good("predict-one", "--explain", "--json").document
    plain = trained.good("predict-one", "--json").document
    assert document["predictions"] == plain["predictions"]
    (told,) = document["explanations"]
    assert told["base"] + sum(told["contributions"].values()) == pytest.approx(told["prediction"])
    shown = trained.good("predict-one", "--explain").out
    assert "\nbase " in shown
    assert "█" in shown
    assert "median_house_value: " in shown


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_batch_and_one_row_get_the_same_intervals(
    trained: Place, sample_csv: Path, suffix: str
) -> None:
    out = trained / f"out{suffix}"
    trained.good("predict", sample_csv, out, "--interval", "0.9", "--extrapolates")
    rows = read_rows(out)
    assert [*rows[0]] == ["prediction", "lower", "upper", "extrapolates", "model"]
    assert all(row["lower"] < row["prediction"] < row["upper"] for row in rows)
    asked = [
        {name: None if row[name] == "" else row[name] for name in GOOD}
        for row in read_rows(sample_csv)[:20]
    ]
    answer = trained.call(
        "predict-one", "-", "--interval", "0.9", "--json", stdin=json.dumps(asked).encode()
    ).document
    assert answer["intervals"] == [[row["lower"], row["upper"]] for row in rows[:20]]
    assert answer["extrapolates"] == [
        row["extrapolates"].split(", ") if row["extrapolates"] else [] for row in rows[:20]
    ]


def test_intervals_and_features_outside_the_applicability_domain_are_printed(
    trained: Place,
) -> None:
    far = {**RECORD, "latitude": 89.0}
    ran = trained.call("predict-one", "-", "--interval", "0.8", stdin=json.dumps(far).encode())
    assert "0.8 interval: " in ran.out
    assert "outside the applicability domain in longitude, latitude" in ran.out


@pytest.mark.parametrize("command", [["predict-one"], ["predict", "in.csv", "out.csv"]])
def test_a_level_that_is_not_allowed_is_refused_with_the_allowed_range(
    trained: Place, command: list[str]
) -> None:
    write_csv(trained / "in.csv", [GOOD])
    ran = trained.call(*command, "--interval", "0.999")
    assert ran.code == 65
    assert "interval: this level is not allowed; allowed: a number from 0.5 to" in ran.err
    assert not (trained / "out.csv").exists()


def test_a_model_without_intervals_refuses_a_level(empty: Place) -> None:
    report = empty.good("train", "--estimator", "ridge", "--no-intervals", "--json").document
    assert report["uncertainty"] is None
    ran = empty.call("predict-one", "--interval", "0.9")
    assert ran.code == 65
    assert "housing/1 was trained without intervals" in ran.err
    assert empty.good("predict-one", "--json").document["extrapolates"] == [[]]


def test_a_file_is_explained_column_by_column(trained: Place) -> None:
    rows = write_csv(trained / "in.csv", [GOOD, {**GOOD, "median_income": "2.5"}])
    trained.good("predict", rows, "out.parquet", "--explain")
    first, second = read_rows(trained / "out.parquet")
    assert [*first] == ["prediction", *(f"contribution:{name}" for name in GOOD), "model"]
    (told,) = trained.good("predict-one", "--explain", "--json").document["explanations"]
    for name, value in told["contributions"].items():
        assert first[f"contribution:{name}"] == pytest.approx(value, rel=1e-9, abs=1e-6)
    changed = [name for name in GOOD if first[f"contribution:{name}"] != pytest.approx(
        second[f"contribution:{name}"], rel=1e-9, abs=1e-6)]  # fmt: skip
    assert changed == ["median_income"]
