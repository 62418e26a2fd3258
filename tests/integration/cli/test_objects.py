"""Objects of a store as the input and the output of a job."""

from tests.integration.cli.files import GOOD, write_csv
from tests.integration.program import Place
from tests.integration.s3 import Bucket


def test_a_job_from_object_to_object(trained: Place, s3: Bucket) -> None:
    write_csv(trained / "in.csv", [GOOD, GOOD | {"latitude": "99"}])
    source = s3.put("jobs/in.csv", (trained / "in.csv").read_bytes())
    plain = trained.call("predict", "in.csv", "out.csv")
    assert plain.code == 0, plain
    ran = trained.call("predict", source, "s3://scores/jobs/out.csv", "--json")
    assert ran.code == 0, ran
    assert ran.document["output"] == "s3://scores/jobs/out.csv"
    assert s3.get("jobs/out.csv") == (trained / "out.csv").read_bytes()
    rejects = (trained / "out.csv.rejects.jsonl").read_bytes()
    assert s3.get("jobs/out.csv.rejects.jsonl") == rejects
    again = trained.call("predict", source, "s3://scores/jobs/out.csv", "--json")
    assert again.document["already_finished"] is True
