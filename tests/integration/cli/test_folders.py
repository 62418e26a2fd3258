"""A folder of files as the input of a job."""

from tests.integration.cli.files import GOOD, write_csv
from tests.integration.program import Place


def test_a_reject_names_its_file_and_its_row_there(trained: Place) -> None:
    folder = trained / "months"
    folder.mkdir()
    write_csv(folder / "01.csv", [GOOD, GOOD])
    write_csv(folder / "02.csv", [GOOD, GOOD | {"latitude": "99"}])
    ran = trained.call("predict", "months", "out.csv")
    assert ran.code == 0, ran
    (line,) = (trained / "out.csv.rejects.jsonl").read_text().splitlines()
    assert line.startswith('{"row": 4, "file": "02.csv", "row_in_file": 2, "errors": [')
    assert len((trained / "out.csv").read_text().splitlines()) == 1 + 3
    again = trained.call("predict", "months/*.csv", "out.csv")
    assert "nothing to do" in again.out, again
