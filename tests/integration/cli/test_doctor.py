from pathlib import Path

import pytest

from tests.integration.processes import free_port
from tests.integration.program import Place


def states(where: Place) -> dict[str, str]:
    """Return the state of each check."""
    document = where.call("doctor", "--json").document
    return {check["check"]: check["state"] for check in document["checks"]}


def test_a_working_configuration_is_healthy(trained: Place) -> None:
    ran = trained.good("doctor", "--json")
    assert ran.document["healthy"] is True
    assert {*states(trained).values()} == {"ok"}
    shown = trained.good("doctor").out
    assert "variant api-baseline, tracker file, model store file" in shown
    assert "describes 'housing': 9 features, target median_house_value" in shown
    assert "400 rows" in shown
    assert "2 of housing" in shown
    assert "housing@champion is housing/2; checksums and golden rows are verified" in shown


def test_before_the_first_model_the_notes_name_the_commands(empty: Place) -> None:
    settings = {k: v for k, v in empty.settings.items() if k != "MODELPORT_DATA"}
    new = Place(empty.folder, settings)
    shown = new.good("doctor").out
    assert "fetch it with: modelport data fetch" in shown
    assert "train it with: modelport train" in shown
    assert states(new)["data"] == states(new)["model"] == "note"
    assert [*empty.folder.iterdir()] == []


@pytest.mark.parametrize(
    ("settings", "check", "code", "said"),
    [
        ({"MODELPORT_VARIANT": "mian"}, "settings", 78, "'main' or 'api-baseline'"),
        ({"MODELPORT_HOUSE": "x"}, "settings", 78, "did you mean MODELPORT_HOME?"),
        ({"MODELPORT_SCHEMA": "absent.toml"}, "schema", 78, "absent.toml"),
        ({"MODELPORT_HOME": "file/home"}, "home", 69, "set MODELPORT_HOME to a writable folder"),
        ({"MODELPORT_DATA": "absent.csv"}, "data", 66, "absent.csv"),
        ({"MODELPORT_DATA": "x.xlsx"}, "data", 78, ".parquet, .csv, .tsv, .jsonl"),
        (
            {"MODELPORT_TRACKER": "sql", "MODELPORT_TRACKER_URL": "not a url"},
            "tracker",
            78,
            "not the URL of a database",
        ),
    ],
)
def test_a_problem_is_reported_with_its_check_and_exit_code(
    trained: Place, settings: dict[str, str], check: str, code: int, said: str
) -> None:
    (trained / "file").write_text("")
    where = trained.having(**settings)
    assert states(where)[check] == "problem"
    ran = where.call("doctor")
    assert ran.code == code
    (line, *_) = [line for line in ran.out.splitlines() if line.split()[:1] == ["problem"]]
    assert line.split()[1] == f"{check}:"
    assert said in line
    assert "Traceback" not in ran.err


def test_a_broken_model_is_found(trained: Place) -> None:
    shown = trained.good("models", "show", "housing", "--json").document
    (trained / "artifacts/models/bundles" / shown["bundle"] / "golden.json").unlink()
    ran = trained.call("doctor")
    assert ran.code == 77
    assert "problem  model: housing/2: the bundle is missing files" in ran.out


def test_a_registry_that_is_down_is_found(trained: Place) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    where = trained.having(MODELPORT_MODEL_STORE="mlflow", MLFLOW_TRACKING_URI=url)
    ran = where.run("doctor")
    assert ran.code == 69
    (line,) = [line for line in ran.out.splitlines() if "model store: " in line]
    assert line.split()[0] == "problem"
    assert url in line


def test_the_doctor_changes_no_file(trained: Place) -> None:
    def files() -> list[Path]:
        return sorted(trained.folder.rglob("*"))

    before = files()
    trained.good("doctor")
    assert files() == before
