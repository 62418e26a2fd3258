"""Another table with its own schema file is trained, scored and served without code changes."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from sklearn.datasets import load_diabetes

from tests.integration.processes import START_SECONDS
from tests.integration.program import Place, place, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

SCHEMA = """
name = "diabetes"
description = "Progression of diabetes within a year of the first examination"
target = { name = "progression", unit = "points" }

[[features]]
name = "age"
kind = "integer"
unit = "years"
range = [0, 120]
example = 59

[[features]]
name = "sex"
kind = "category"
categories = ["one", "two"]

[[features]]
name = "overweight"
kind = "boolean"
description = "Whether the body mass index is above 25"

[[features]]
name = "body mass index"
kind = "number"
unit = "kg/m²"
range = [10, 80]
nullable = true

[[features]]
name = "blood pressure"
kind = "number"
unit = "mmHg"
range = [30, 200]
example = 101

[[derived]]
name = "mass per pressure"
ratio = ["body mass index", "blood pressure"]
"""


@dataclass(frozen=True)
class Table:
    where: Place
    data: Path
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    folder = tmp_path_factory.mktemp("diabetes")
    bunch = load_diabetes(scaled=False)
    rows = [
        {
            "age": int(age),
            "sex": ("one", "two")[int(sex) - 1],
            "overweight": bool(index > 25),
            "body mass index": None if number % 50 == 0 else index,
            "blood pressure": pressure,
            "progression": target,
        }
        for number, ((age, sex, index, pressure), target) in enumerate(
            zip(bunch.data[:, :4].tolist(), bunch.target.tolist(), strict=True)
        )
    ]
    with (folder / "diabetes.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "diabetes.toml").write_text(SCHEMA)
    where = place(folder, MODELPORT_SCHEMA="diabetes.toml", MODELPORT_DATA="diabetes.csv")
    where.good("train", "--estimator", "ridge")
    return Table(where, folder / "diabetes.csv", rows)


@pytest.fixture(scope="module")
def server(table: Table) -> Iterator[str]:
    with serving(table.where) as server:
        wait_until(lambda: "ready: diabetes/1" in server.said(), START_SECONDS, server.said)
        yield server.url


def features(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "progression"}


def get(url: str, body: object = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, content, {"Content-Type": "application/json"}), timeout=30) as answer:
        return json.load(answer)


def test_a_model_of_it_is_trained(table: Table) -> None:
    described = table.where.good("models", "show", "diabetes", "--json").document
    assert described["target"] == {"name": "progression", "unit": "points"}
    assert described["metrics"]["r2"] > 0.2
    assert described["derived"] == [
        {"name": "mass per pressure", "is": "body mass index / blood pressure"}
    ]


@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "random_forest", "linear"])
def test_every_estimator_fits_it(table: Table, estimator: str) -> None:
    ran = table.where.good("train", "--estimator", estimator, "--no-promote", "--json")
    assert ran.document["metrics"]["rows"] == 89


def test_a_row_has_the_same_prediction_in_a_batch_alone_and_online(
    table: Table, server: str
) -> None:
    where = table.where
    where.good("predict", table.data, "out.jsonl", "--keep", "overweight", "--keep", "age")
    scored = [json.loads(line) for line in (where / "out.jsonl").read_text().splitlines()]
    rows = [features(row) for row in table.rows]
    online = get(f"{server}/predict", {"data": rows})
    assert online["model"] == "diabetes/1"
    assert online["predictions"] == [row["prediction"] for row in scored]
    alone = where.good("predict-one", json.dumps(rows[:20]), "--json").document
    assert alone["predictions"] == online["predictions"][:20]
    assert len(scored) == 442


def test_its_fields_are_in_the_documentation(server: str) -> None:
    row = get(f"{server}/openapi.json")["components"]["schemas"]["Row"]
    assert row["title"] == "diabetes"
    assert [*row["properties"]] == ["age", "sex", "overweight", "body mass index", "blood pressure"]
    assert row["required"] == ["age", "sex", "overweight", "blood pressure"]
    assert row["properties"]["age"]["type"] == "integer"
    assert row["properties"]["sex"]["enum"] == ["one", "two"]
    assert row["properties"]["overweight"]["type"] == "boolean"
    assert "Unit: kg/m²." in row["properties"]["body mass index"]["description"]
    assert get(f"{server}/predict", {"data": [row["example"]]})["model"] == "diabetes/1"


def test_its_rows_are_validated_by_its_own_schema(table: Table) -> None:
    row = features(table.rows[0]) | {"age": 41.5, "sex": "three", "overweight": 1}
    ran = table.where.call("predict-one", json.dumps(row))
    assert ran.code == 65
    for said in (
        "age: is not a whole number; allowed: an integer from 0 to 120 (years)",
        "sex: is not a known category; allowed: one of 'one', 'two'",
        "overweight: is not true or false; allowed: true or false",
    ):
        assert said in ran.err


def test_a_row_too_extreme_for_the_model_is_rejected(
    tmp_path: Path,
) -> None:
    (tmp_path / "s.toml").write_text(
        'name = "line"\ntarget = { name = "y" }\n[[features]]\nname = "x"\nkind = "number"\n'
    )
    lines = [f"{x},{1000 * x + x % 7}" for x in range(100)]
    (tmp_path / "d.csv").write_text("\n".join(["x,y", *lines, ""]))
    where = place(tmp_path, MODELPORT_SCHEMA="s.toml", MODELPORT_DATA="d.csv")
    where.good("train", "--estimator", "linear")
    ran = where.call("predict-one", '[{"x": 1}, {"x": 1e308}]', "--json")
    assert ran.code == 65
    assert "row 1 has no finite prediction" in ran.document["error"]["detail"]
    (tmp_path / "in.csv").write_text("x\nnone\n1e308\n3\n-1e308\n")
    report = where.good("predict", "in.csv", "out.jsonl", "--json", "--keep", "x").document
    assert (report["rows"], report["rejected"]) == (4, 3)
    (scored,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert scored["x"] in (3, "3")
    rejects = (tmp_path / "out.jsonl.rejects.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in rejects] == [1, 2, 4]


def test_the_schema_may_be_named_on_the_command_line(table: Table) -> None:
    settings = {k: v for k, v in table.where.settings.items() if k != "MODELPORT_SCHEMA"}
    plain = Place(table.where.folder, settings)
    ran = plain.good("data", "check", "diabetes.csv", "--schema", "diabetes.toml", "--json")
    assert (ran.document["rows"], ran.document["rejected"]) == (442, 0)


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate"],
        ["predict", "diabetes.csv", "by-schema.csv"],
        ["predict-one"],
        ["doctor"],
        ["models", "history"],
    ],
)
def test_the_model_is_that_of_the_schema(table: Table, words: list[str]) -> None:
    expected = table.where.good(*words, "--json").document
    settings = {**table.where.settings, "MODELPORT_MODEL": "housing@champion"}
    del settings["MODELPORT_SCHEMA"]
    given = Place(table.where.folder, settings)
    found = given.good(*words, "--schema", "diabetes.toml", "--json").document
    for document in (expected, found):
        document.pop("seconds", None)
        document.pop("already_finished", None)
        document.pop("resumed_chunks", None)
    assert found == expected
    assert "diabetes/1" in json.dumps(found)


def test_the_reference_data_do_not_fit_another_schema(table: Table, tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text("longitude,latitude\n-122.2,37.9\n")
    where = table.where.having(MODELPORT_DATA=str(tmp_path / "houses.csv"))
    ran = where.call("doctor", "--json")
    states = {check["check"]: check["state"] for check in ran.document["checks"]}
    assert (ran.code, states["data"], states["model"]) == (65, "problem", "ok")


def test_a_rollback_is_of_the_model_of_the_schema(table: Table) -> None:
    ran = table.where.call("models", "rollback")
    assert (ran.code, "diabetes" in ran.err) == (66, True)


def test_a_server_takes_the_schema_as_an_option(table: Table) -> None:
    settings = {k: v for k, v in table.where.settings.items() if k != "MODELPORT_SCHEMA"}
    plain = Place(table.where.folder, settings)
    with serving(plain, "--schema", "diabetes.toml", "--workers", "2", name="schema") as server:
        wait_until(lambda: "ready: diabetes/1" in server.said(), START_SECONDS, server.said)


def test_without_a_schema_file_the_model_must_be_named(tmp_path: Path) -> None:
    where = place(tmp_path, MODELPORT_SCHEMA="absent.toml")
    ran = where.call("predict-one")
    assert ran.code == 78
    assert "absent.toml does not exist; set MODELPORT_MODEL or MODELPORT_SCHEMA" in ran.err
    assert where.call("predict-one", "--model", "line").code == 66
