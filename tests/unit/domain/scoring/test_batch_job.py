from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidData, Misconfigured, Violation
from domain.scoring.batch_job import BatchJob, Reject, RejectLimit
from domain.scoring.prediction import PredictionOptions

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
        {"options": PredictionOptions(0.9)},
        {"options": PredictionOptions(None, extrapolates=True)},
    ],
)
def test_the_id_changes_with_each_part_of_a_job(change: dict[str, Any]) -> None:
    assert replace(JOB, **change).id != JOB.id


def test_jobs_with_other_intervals_are_other_jobs() -> None:
    asked = [PredictionOptions(a, extrapolates=b) for a in (None, 0.8, 0.9) for b in (False, True)]
    assert len({replace(JOB, options=options).id for options in asked}) == len(asked)


def test_columns_of_other_jobs_may_be_kept() -> None:
    kept = replace(JOB, keep=("lower", "upper", "extrapolates"))
    assert kept.added == ("prediction", "model")


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), unique=True),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), unique=True),
)
def test_jobs_share_an_id_only_if_they_keep_the_same(one: list[str], other: list[str]) -> None:
    jobs = [replace(JOB, keep=tuple(keep)) for keep in (one, other)]
    assert (jobs[0].id == jobs[1].id) == (one == other)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"chunk_rows": 0}, r"chunk rows: 0 is not at least 1"),
        ({"keep": ("prediction",)}, r"column 'prediction' cannot be kept"),
        (
            {"keep": ("upper", "lower"), "options": PredictionOptions(0.9)},
            r"column 'lower', 'upper' cannot be kept",
        ),
        (
            {"keep": ("extrapolates",), "options": PredictionOptions(None, extrapolates=True)},
            r"column 'extrapolates' cannot be kept",
        ),
        ({"keep": ("prediction", "model")}, r"column 'model', 'prediction' cannot be kept"),
        ({"keep": ("id", "id")}, r"a column to keep is named twice"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidData, match=why):
        replace(JOB, **change)


@pytest.mark.parametrize(
    ("text", "total", "most"),
    [
        ("0", 10, 0),
        ("1000", 10, 1000),
        (" 7 ", 1_000_000, 7),
        ("0%", 1_000_000, 0),
        ("5%", 1_000, 50),
        ("5%", 19, 0),
        ("5%", 20, 1),
        ("12.5%", 8, 1),
        ("0.1%", 10_000_000, 10_000),
        ("100%", 7, 7),
    ],
)
def test_a_limit_of_rejects_is_a_number_of_rows_or_a_share(
    text: str, total: int, most: int
) -> None:
    assert RejectLimit.parse(text).of(total) == most


@pytest.mark.parametrize(
    "text", ["", "%", "-1", "1e3", "5 %", "101%", "100.1%", "half", "1.5", "٣"]
)
def test_what_is_no_limit_of_rejects_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"a number of rows, such as 1000, or a share"):
        RejectLimit.parse(text)


def test_by_default_a_few_rejects_or_up_to_half_of_the_rows_are_allowed() -> None:
    assert [RejectLimit().of(total) for total in (1, 2_000, 2_001, 10_000_000)] == [
        1_000,
        1_000,
        1_000,
        5_000_000,
    ]


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 100))
def test_a_limit_of_rejects_grows_with_the_rows(one: int, other: int, percent: int) -> None:
    limit = RejectLimit.parse(f"{percent}%")
    assert (limit.of(one) <= limit.of(other)) or one > other
    assert limit.of(one) <= one
    assert 100 * limit.of(one) <= percent * one < 100 * (limit.of(one) + 1)


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
