"""Objects of a store as input and output, and what is said when there is something wrong."""

from pathlib import Path

import pytest

from adapters.arrow.opening import open_sink
from adapters.objects import fetch as fetching
from adapters.objects.fetch import fetch
from adapters.objects.place import ObjectPlace
from adapters.objects.sink import ObjectSink
from application.ports import Finished
from domain.errors import ChecksumMismatch, Misconfigured, NotFound, Unavailable
from tests.integration.contracts.prediction_sink import JOB, part, reject
from tests.integration.processes import free_port
from tests.integration.s3 import BUCKET, Bucket


def test_an_object_is_fetched_once_and_again_when_it_has_changed(
    s3: Bucket, tmp_path: Path
) -> None:
    told: list[int] = []
    url = s3.put("in/rows.csv", b"a\n1\n")
    for _ in range(2):
        path = fetch(url, tmp_path, lambda done, _: told.append(done))
        assert (path.name, path.read_bytes()) == ("rows.csv", b"a\n1\n")
    assert told == [4]
    s3.put("in/rows.csv", b"a\n2\n")
    assert fetch(url, tmp_path).read_bytes() == b"a\n2\n"


class Broken(Exception):
    """The end of a transfer."""


def test_a_transfer_goes_on_where_it_broke_off(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_BLOCK", 10)
    url, told = s3.put("in/broken.csv", b"x\n" * 20), list[int]()

    def broken(done: int, _: int) -> None:
        if done == 20:
            raise Broken

    with pytest.raises(Broken):
        fetch(url, tmp_path, broken)
    assert fetch(url, tmp_path, lambda done, _: told.append(done)).read_bytes() == b"x\n" * 20
    assert told == [30, 40]


def test_what_is_replaced_meanwhile_is_not_mixed(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_BLOCK", 10)
    url = s3.put("in/replaced.csv", b"x\n" * 10)

    def replace(done: int, _: int) -> None:
        s3.put("in/replaced.csv", b"y\n" * 10)

    with pytest.raises(ChecksumMismatch, match=r"in/replaced\.csv was replaced"):
        fetch(url, tmp_path, replace)
    assert fetch(url, tmp_path).read_bytes() == b"y\n" * 10


@pytest.mark.parametrize("url", ["s3://scores/absent.csv", "s3://no-such-bucket/rows.csv"])
def test_what_is_not_there_is_not_found(s3: Bucket, tmp_path: Path, url: str) -> None:
    with pytest.raises(NotFound, match=url):
        fetch(url, tmp_path)


def test_a_bucket_that_is_not_there_cannot_be_written(s3: Bucket, tmp_path: Path) -> None:
    sink = ObjectSink.at("s3://no-such-bucket/out.csv", tmp_path, open_sink)
    sink.write(JOB, 0, part(0), [])
    with pytest.raises(NotFound, match="s3://no-such-bucket/"):
        sink.seal(JOB, 1)


@pytest.mark.parametrize(
    "url",
    ["s3://scores", "s3://scores/folder/", "s3://scores/*.csv", "s3://me:very-secret@scores/x.csv"],
)
def test_a_url_that_names_no_object_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="s3://BUCKET/KEY") as caught:
        ObjectPlace.parse(url)
    assert "very-secret" not in str(caught.value)


def test_a_store_that_is_away_is_told_without_credentials(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        fetch("s3://scores/rows.csv", tmp_path)
    assert "sesame" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_credentials_the_variables_are_named(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(Unavailable, match="no credentials; set AWS_ACCESS_KEY_ID"):
        fetch("s3://scores/rows.csv", tmp_path)


def test_what_was_not_uploaded_is_uploaded_by_the_next_run(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = ObjectSink.at(f"s3://{BUCKET}/late/out.csv", tmp_path, open_sink)
    sink.write(JOB, 0, part(0), [reject(4)])
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        with pytest.raises(Unavailable):
            sink.seal(JOB, 1)
    found = sink.finished(JOB)
    assert found is not None
    assert found == Finished(found.sealed, chunks=1, scored=3, rejected=1)
    assert s3.keys("late") == [".out.csv.receipt.json", "out.csv", "out.csv.rejects.jsonl"]
    assert sink.finished(JOB) == found


def test_what_a_run_left_on_the_disk_that_was_killed_after_its_upload_goes_with_the_next(
    s3: Bucket, tmp_path: Path
) -> None:
    sink = ObjectSink.at(f"s3://{BUCKET}/left/out.csv", tmp_path, open_sink)
    sink.write(JOB, 0, part(0), [reject(4)])
    sink.seal(JOB, 1)
    for name in ("out.csv", "out.csv.rejects.jsonl"):
        (sink.folder / name).write_bytes(s3.get(f"left/{name}"))
    assert sink.finished(JOB) is not None
    assert [path.name for path in sink.folder.iterdir()] == [".out.csv.receipt.json"]
