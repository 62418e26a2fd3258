from pathlib import Path

import pytest

from domain.errors import Misconfigured
from entrypoints.wiring.data_uris import (
    guarantee_warnings,
    has_secret,
    open_sink,
    open_source,
    public_uri,
    require_distinct,
    with_query,
)
from entrypoints.wiring.settings import Settings


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("data/housing.csv", "data/housing.csv"),
        ("odd?name@here.csv", "odd?name@here.csv"),
        ("file:///a@b/c.csv", "file:///a@b/c.csv"),
        ("sample:10", "sample:10"),
        ("https://example.org/h.csv", "https://example.org/h.csv"),
        ("https://me:secret@example.org/h.csv?key=secret", "https://example.org/h.csv"),
        ("postgresql+psycopg://me:se/cr@et@host/db#t", "postgresql+psycopg://host/db#t"),
        ("postgresql://host/db?password=secret#t", "postgresql://host/db#t"),
    ],
)
def test_a_uri_is_shown_without_its_secrets(uri: str, shown: str) -> None:
    assert public_uri(uri) == shown


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("data/me:secret@here.csv", False),
        ("sample:10", False),
        ("s3://bucket/key.csv", False),
        ("https://token@example.org/h.csv", True),
        ("https://example.org/h.csv?signature=x", True),
        ("postgresql+psycopg://me@host/db?application_name=x#t", False),
        ("sqlite:///x.db#eu%2Esales", False),
        ("postgresql+psycopg://me@host/db#select '#' from t", False),
        ("postgresql+psycopg://me:secret@host/db#select '#' from t", True),
        ("postgresql+psycopg://me:secret@host/db#t", True),
        ("postgresql+psycopg://me@host/db?sslpassword=x#t", True),
    ],
)
def test_only_what_may_be_a_secret_is_taken_for_one(uri: str, found: bool) -> None:
    assert has_secret(uri) is found


@pytest.mark.parametrize("rows", ["0", "-1", "", "1e3", "1.5", "ten", "9" * 13, "1#x", "١"])
def test_a_sample_has_a_whole_number_of_rows(rows: str) -> None:
    with pytest.raises(Misconfigured, match="such as sample:1000"):
        open_source(Settings(), f"sample:{rows}")


@pytest.mark.parametrize("uri", ["https://me:secret@example.org/o.csv", "sample:10"])
def test_what_cannot_be_written_to_is_said_with_what_can(uri: str) -> None:
    with pytest.raises(Misconfigured, match="a path, s3://BUCKET/KEY or a database URL") as caught:
        open_sink(Settings(), uri)
    assert "secret" not in str(caught.value)


def test_an_output_must_not_replace_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("a\n1\n")
    Path("link.csv").symlink_to("in.csv")
    for target in ("in.csv", "./in.csv", f"file://{tmp_path}/in.csv", "link.csv"):
        with pytest.raises(Misconfigured, match="is the input"):
            require_distinct("in.csv", target)
    require_distinct("in.csv", "out.csv")
    require_distinct("absent.csv", "absent.csv")
    require_distinct("sqlite:///in.csv#t", "in.csv")


_WITHIN = [
    ("2024", "2024/out.csv"),
    ("2024/*.csv", "2024/out.csv"),
    ("*/a.csv", "2024/a.csv"),
    ("**/*.csv", "2024/more/out.csv"),
    ("**/*.csv", "2024/parts/"),
]
_APART = [
    ("2024", "out.csv"),
    ("2024/*.csv", "2024/out.parquet"),
    ("2024/*.csv", "2024/more/out.csv"),
    ("2024/**/*.csv", "out.csv"),
]


@pytest.mark.parametrize(("source", "target"), _WITHIN)
def test_an_output_must_not_become_part_of_its_input(
    tmp_path: Path, source: str, target: str
) -> None:
    (tmp_path / "2024").mkdir()
    with pytest.raises(Misconfigured, match="one of the files of the input"):
        require_distinct(f"{tmp_path}/{source}", f"{tmp_path}/{target}")
    if source != "2024":
        with pytest.raises(Misconfigured, match="one of the files of the input"):
            require_distinct(f"s3://bucket/{source}", f"s3://bucket/{target}")


@pytest.mark.parametrize(("source", "target"), _APART)
def test_an_output_beside_its_input_is_allowed(tmp_path: Path, source: str, target: str) -> None:
    (tmp_path / "2024").mkdir()
    require_distinct(f"{tmp_path}/{source}", f"{tmp_path}/{target}")
    require_distinct(f"s3://bucket/{source}", f"s3://bucket/{target}")


@pytest.mark.parametrize("target", ["s3://bucket/in/out.csv", "s3://bucket/in/a.csv"])
def test_an_object_must_not_become_part_of_its_input(target: str) -> None:
    with pytest.raises(Misconfigured, match="one of the files of the input"):
        require_distinct("s3://bucket/in/", target)
    with pytest.raises(Misconfigured, match="is the input"):
        require_distinct(target, target)


def test_databases_without_snapshot_or_lock_are_told() -> None:
    assert guarantee_warnings("mysql+pymysql://me:secret@host/db#in", "oracle://host/db#out") == [
        "mysql is read without a snapshot: the job fails (65) if the table changes meanwhile",
        "oracle is written without a lock: make sure that no other run of this job writes",
    ]


@pytest.mark.parametrize(
    "uri",
    [
        *("in.csv", "file:///in.csv", "s3://bucket/in.csv", "https://host/in.csv", "sample:10"),
        *("postgresql+psycopg://host/db#in", "sqlite:///in.db#in"),
    ],
)
def test_of_others_nothing_is_to_be_minded(uri: str) -> None:
    assert guarantee_warnings(uri, uri) == []


@pytest.mark.parametrize(
    ("uri", "query"),
    [
        ("data.csv", "select 1"),
        ("s3://bucket/x.csv", "select 1"),
        ("sqlite:///x.db#t", "select 1"),
        ("sqlite:///x.db", "delete from t"),
        ("sqlite:///x.db", "selection"),
    ],
)
def test_a_query_is_a_select_of_a_database(uri: str, query: str) -> None:
    with pytest.raises(Misconfigured, match="query"):
        with_query(uri, query)


def test_a_query_follows_the_address_of_the_database() -> None:
    query = "\nWITH x AS (SELECT 1) SELECT * FROM x"
    assert with_query("sqlite:///x.db", query) == f"sqlite:///x.db#{query}"


def test_an_output_must_not_be_in_a_partition_of_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in/a=1/b=2").mkdir(parents=True)
    for target in ("in/x.csv", "in/a=1/x.csv", "in/a=1/b=2/x.csv"):
        with pytest.raises(Misconfigured, match="would be one of the files"):
            require_distinct("in", target)
    require_distinct("in", "in/other/x.csv")
