"""The demo in a fresh clone."""

import re
from pathlib import Path

import pytest

from tests.integration.cli.files import read_rows
from tests.integration.program import SCHEMA_FILE, Place, Ran, place

pytestmark = pytest.mark.slow


# What the experiments may have chosen for another schema: fitted in a moment.
CHOSEN = (
    'estimator = "hist_gradient_boosting"\nfeatures = "spatial"\n\n[parameters]\nmax_iter = 30\n'
)


def newcomer(folder: Path, variant: str, url: str, chosen: str | None = None) -> Place:
    """Return a place like a fresh clone, without the code."""
    (folder / "data").mkdir()
    (folder / "data/housing.toml").write_bytes(SCHEMA_FILE.read_bytes())
    if chosen:
        (folder / "data/housing.champion.toml").write_text(chosen)
    made = place(folder, variant, MODELPORT_DATA_URL=url)
    return Place(folder, {k: v for k, v in made.settings.items() if k != "MODELPORT_SCHEMA"})


def account(ran: Ran) -> list[str]:
    """Return the headlines that a demo prints."""
    assert ran.code == 0, ran
    return [line for line in ran.out.splitlines() if re.match(r"\d\. ", line)]


@pytest.mark.parametrize(
    ("variant", "chosen"),
    [("api-baseline", CHOSEN), ("main", None)],
    ids=["api-baseline", "main"],
)
def test_the_demo_trains_scores_and_serves(
    tmp_path: Path, housing_csv: Path, variant: str, chosen: str | None
) -> None:
    where = newcomer(tmp_path, variant, housing_csv.as_uri(), chosen)
    ran = where.run("demo")
    assert len(account(ran)) == 3
    assert "promoted: there is no champion yet" in ran.out
    assert "20,640 of 20,640 rows with housing/1" in ran.out
    assert "simulated" not in ran.out + ran.err
    (value,) = re.findall(r"median_house_value +([\d,.]+) USD", ran.out)
    assert "modelport models list" in ran.out
    predictions = read_rows(tmp_path / "outputs/predictions.csv")
    assert len(predictions) == 20_640
    assert f"{predictions[0]['prediction']:,.2f}" == value
    assert {path.name for path in tmp_path.iterdir()} == {"data", "artifacts", "outputs"}
    assert (tmp_path / "data/raw/housing.csv").read_bytes() == housing_csv.read_bytes()
    if chosen:
        a_second_demo_keeps_the_version(where, predictions[0]["prediction"])


def a_second_demo_keeps_the_version(where: Place, first: float) -> None:
    again = where.run("demo", "--json").document
    assert again["train"]["model"] == "housing/1"
    assert again["train"]["reasons"] == ["identical to the champion housing/1"]
    assert again["predict"]["rows"] == 20_640
    assert again["serve"]["answer"] == {"predictions": [first], "model": "housing/1"}
    assert where.registered() == [("housing/1", ["champion"])]


def test_the_demo_uses_simulated_data_if_the_reference_data_cannot_be_fetched(
    tmp_path: Path,
) -> None:
    where = newcomer(tmp_path, "api-baseline", "file:///nowhere/housing.csv", CHOSEN)
    ran = where.call("demo")
    assert len(account(ran)) == 3
    assert "the reference data cannot be fetched: file:///nowhere/housing.csv" in ran.err
    assert "using simulated data: the model is not a real one" in ran.err
    assert "trained on simulated data: not for real decisions" in ran.err
    assert [line.endswith(" (simulated data)") for line in account(ran)] == [True] * 3
    assert re.search(r"median_house_value +[\d,.]+ USD \(simulated data\)", ran.out)
    assert re.search(r"model +housing/1 \(simulated data\)", ran.out)
    described = where.good("models", "show", "housing", "--json").document
    assert described["data"]["simulated"] is True
    assert "(simulated)" in where.good("models", "list").out
    assert len(read_rows(tmp_path / "outputs/predictions.csv")) == 20_640


def test_training_never_uses_simulated_data_instead(tmp_path: Path) -> None:
    where = newcomer(tmp_path, "api-baseline", "file:///nowhere/housing.csv")
    ran = where.call("train")
    assert ran.code == 66
    assert "/nowhere/housing.csv" in ran.err
    assert where.registered() == []


def test_configured_data_is_not_replaced_by_simulated_data(tmp_path: Path) -> None:
    where = newcomer(tmp_path, "api-baseline", "file:///nowhere/housing.csv")
    ran = where.having(MODELPORT_DATA="mine.csv").call("demo")
    assert ran.code == 66
    assert "mine.csv" in ran.err
    assert not (tmp_path / "outputs").exists()
