"""Objects of a store as input and output, and the errors."""

import gzip
from pathlib import Path

import pytest

from adapters.arrow.open_by_suffix import open_sink
from adapters.objects import object_download as fetching
from adapters.objects.object_address import ObjectAddress
from adapters.objects.object_download import fetch
from adapters.objects.object_listing import listed
from adapters.objects.object_sink import ObjectSink
from application.ports import FinishedJob
from domain.errors import (
    ChecksumMismatch,
    Misconfigured,
    NotFound,
    Unavailable,
    UnreadableData,
)
from entrypoints.wiring.data_uris import open_source
from entrypoints.wiring.settings import Settings
from tests.integration.contracts.prediction_sink import JOB, part, reject
from tests.integration.processes import free_port
from tests.integration.s3 import BUCKET, Bucket


def test_an_object_is_fetched_once_and_again_when_it_has_changed(
    s3: Bucket, tmp_path: Path
) -> None:
    reported: list[int] = []
    url = s3.put("in/rows.csv", b"a\n1\n")
    for _ in range(2):
        path = fetch(url, tmp_path, lambda done, _: reported.append(done))
        assert (path.name, path.read_bytes()) == ("rows.csv", b"a\n1\n")
    assert reported == [4]
    s3.put("in/rows.csv", b"a\n2\n")
    assert fetch(url, tmp_path).read_bytes() == b"a\n2\n"


def test_objects_are_one_input_as_files_are(s3: Bucket, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for name in ("b.csv", "a.csv", "a[1].csv", "c.csv.gz", "_SUCCESS", ".x.csv", "a.rejects.jsonl"):
        content = f"a\n{name}\n".encode()
        s3.put(f"many/{name}", gzip.compress(content) if name.endswith(".gz") else content)
    s3.put("manyfold/z.csv", b"a\n1\n")

    def files(url: str) -> list[str]:
        return [chunk.file for chunk in open_source(settings, url).plan(10)]

    assert files("s3://scores/many/") == ["a.csv", "a[1].csv", "b.csv", "c.csv.gz"]
    assert files("s3://scores/many/*.csv") == ["a.csv", "a[1].csv", "b.csv"]
    assert files("s3://scores/many/a*") == ["a.csv", "a[1].csv"]
    assert files("s3://scores/many*/*.csv") == [
        *("many/a.csv", "many/a[1].csv", "many/b.csv", "manyfold/z.csv")
    ]
    s3.put("many/more/d.csv", b"a\n1\n")
    with pytest.raises(Misconfigured, match=r"the folder 'more'.*'s3://scores/many/\*\*/"):
        files("s3://scores/many/")
    assert files("s3://scores/many/**/*.csv") == ["a.csv", "a[1].csv", "b.csv", "more/d.csv"]
    s3.put("many/e.jsonl", b"{}\n")
    with pytest.raises(Misconfigured, match=r"several formats, such as '.*' and 'e\.jsonl'"):
        files("s3://scores/many/**")
    s3.put("many/f.xlsx", b"")
    with pytest.raises(Misconfigured, match=r"'f\.xlsx': the suffix must be one of"):
        files("s3://scores/many/*")


def test_of_many_objects_those_that_have_changed_are_fetched_again(
    s3: Bucket, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    for name in ("a.csv", "b.csv"):
        s3.put(f"changing/{name}", b"a\n1\n")

    def times() -> list[int]:
        assert open_source(settings, "s3://scores/changing/*.csv").version.rows == 2
        return [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("[ab].csv"))]

    once = dict(enumerate(times()))
    assert dict(enumerate(times())) == once
    s3.put("changing/b.csv", b"a\n2\n")
    assert len({*once.values()} - {*times()}) == 1


@pytest.mark.parametrize("url", ["s3://scores/none/", "s3://scores/none/*", "s3://no-such-bucket/"])
def test_no_objects_are_not_found(s3: Bucket, tmp_path: Path, url: str) -> None:
    with pytest.raises(NotFound):
        open_source(Settings(home=tmp_path), url)


def test_errors_in_an_object_name_its_url(s3: Bucket, tmp_path: Path) -> None:
    s3.put("bad/a.csv", b"a\n1\n")
    s3.put("bad/b.csv", b"a\n\xff\n")
    with pytest.raises(UnreadableData, match=r"^s3://scores/bad/b\.csv, line 2"):
        _ = open_source(Settings(home=tmp_path), "s3://scores/bad/").version


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/*?x", "s3://me:very-secret@b/*.csv"])
def test_a_url_that_names_no_objects_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="s3://BUCKET/FOLDER/") as caught:
        listed(url)
    assert "very-secret" not in str(caught.value)


class Broken(Exception):
    """The end of a transfer."""


def test_a_transfer_goes_on_where_it_broke_off(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_BLOCK", 10)
    url, reported = s3.put("in/broken.csv", b"x\n" * 20), list[int]()

    def broken(done: int, _: int) -> None:
        if done == 20:
            raise Broken

    with pytest.raises(Broken):
        fetch(url, tmp_path, broken)
    assert fetch(url, tmp_path, lambda done, _: reported.append(done)).read_bytes() == b"x\n" * 20
    assert reported == [30, 40]


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
    sink.write_chunk(JOB, 0, part(0), [])
    with pytest.raises(NotFound, match="s3://no-such-bucket/"):
        sink.publish(JOB, 1)


@pytest.mark.parametrize(
    "url",
    ["s3://scores", "s3://scores/folder/", "s3://scores/*.csv", "s3://me:very-secret@scores/x.csv"],
)
def test_a_url_that_names_no_object_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="s3://BUCKET/KEY") as caught:
        ObjectAddress.parse(url)
    assert "very-secret" not in str(caught.value)


def test_the_error_for_an_unreachable_store_shows_no_credentials(
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
    sink.write_chunk(JOB, 0, part(0), [reject(4)])
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        with pytest.raises(Unavailable):
            sink.publish(JOB, 1)
    found = sink.finished(JOB)
    assert found is not None
    assert found == FinishedJob(found.published, chunks=1, scored=3, rejected=1)
    assert s3.keys("late") == [".out.csv.receipt.json", "out.csv", "out.csv.rejects.jsonl"]
    assert sink.finished(JOB) == found


def test_what_a_run_left_on_the_disk_that_was_killed_after_its_upload_goes_with_the_next(
    s3: Bucket, tmp_path: Path
) -> None:
    sink = ObjectSink.at(f"s3://{BUCKET}/left/out.csv", tmp_path, open_sink)
    sink.write_chunk(JOB, 0, part(0), [reject(4)])
    sink.publish(JOB, 1)
    assert [*tmp_path.iterdir()] == []
    for suffix in ("", ".rejects.jsonl"):
        path = sink.file.with_name(f"{sink.file.name}{suffix}")
        path.write_bytes(s3.get(f"left/out.csv{suffix}"))
    sink.file.with_name(f".{sink.file.name}.receipt.json").write_text("{}")
    assert sink.finished(JOB) is not None
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("url", ["s3://ab/x.csv", "s3://-abc/x.csv", "s3://ab/*.csv", "s3://ab/x/"])
def test_a_bucket_that_cannot_exist_is_refused_by_name(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"' cannot be the name of a bucket; allowed: 3 to 63"):
        ObjectAddress.folder(url)
    with pytest.raises(Misconfigured, match=r"bucket|s3://BUCKET/KEY"):
        ObjectAddress.parse(url)
