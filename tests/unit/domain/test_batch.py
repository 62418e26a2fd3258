from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.batch import BatchJob, Reject
from domain.dataset import DatasetVersion
from domain.errors import InvalidData, Violation
from domain.model import ModelVersion

JOB = BatchJob("a" * 64, "housing/7", "b" * 64, 100_000, ("id", "city"))


def test_the_id_of_a_job_stays_what_it_is() -> None:
    """Another id would orphan the chunks of every interrupted job."""
    assert JOB.id == "ddd215be0838045a"
    assert replace(JOB).id == JOB.id


@pytest.mark.parametrize(
    "change",
    [
        {"data_sha256": "c" * 64},
        {"model": "housing/8"},
        {"bundle_id": "c" * 64},
        {"chunk_rows": 99_999},
        {"keep": ("id",)},
        {"keep": ()},
        {"keep": ("city", "id")},
        {"keep": ("id", "city", "zip")},
        {"keep": ("id,city",)},
    ],
)
def test_the_id_changes_with_each_part_of_a_job(change: dict[str, Any]) -> None:
    assert replace(JOB, **change).id != JOB.id


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), unique=True),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), unique=True),
)
def test_jobs_share_an_id_only_if_they_keep_the_same(one: list[str], other: list[str]) -> None:
    jobs = [replace(JOB, keep=tuple(keep)) for keep in (one, other)]
    assert (jobs[0].id == jobs[1].id) == (one == other)


def test_where_the_data_was_read_is_not_part_of_a_job() -> None:
    version = ModelVersion("housing", 7, "b" * 64, datetime(2024, 1, 1, tzinfo=UTC))
    jobs = [
        BatchJob.of(DatasetVersion(uri, "a" * 64, 3), version, 100_000, ["id", "city"])
        for uri in ("here.csv", "https://there/data.csv")
    ]
    assert jobs == [JOB, JOB]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"chunk_rows": 0}, r"chunk rows: 0 is not at least 1"),
        ({"keep": ("prediction",)}, r"column 'prediction' cannot be kept"),
        ({"keep": ("prediction", "model")}, r"column 'model', 'prediction' cannot be kept"),
        ({"keep": ("id", "id")}, r"a column to keep is named twice"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidData, match=why):
        replace(JOB, **change)


def test_a_reject_tells_the_row_and_its_faults_and_no_data() -> None:
    violations = (
        Violation(0, "age", "is missing", "a number"),
        Violation(0, "place", "is not a known category", "one of 'sea'"),
    )
    assert Reject(17, violations).to_mapping() == {
        "row": 17,
        "errors": [
            {"field": "age", "problem": "is missing", "allowed": "a number"},
            {"field": "place", "problem": "is not a known category", "allowed": "one of 'sea'"},
        ],
    }
