import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.dataset import Chunk, DatasetIdentity, DatasetVersion
from domain.data.split import Split
from domain.errors import InvalidData, Misconfigured

SHA = "a" * 64


@pytest.mark.parametrize("digest", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, SHA + "\n"])
def test_what_is_no_digest_is_refused(digest: str) -> None:
    with pytest.raises(InvalidData, match=r"data.csv: not a SHA-256 digest"):
        DatasetVersion("data.csv", digest, 1)


def test_the_identity_of_data_does_not_tell_where_it_was_read() -> None:
    here = DatasetVersion("here.csv", SHA, 3, md5="m", simulated=True)
    there = DatasetVersion("s3://there", SHA, 3, md5="m", simulated=True)
    assert here.identity == there.identity
    assert here.identity == DatasetIdentity(SHA, "m", 3, simulated=True)


def test_a_chunk_survives_pickling() -> None:
    chunk = Chunk(3, 300, 100, (17, 4096))
    assert pickle.loads(pickle.dumps(chunk)) == chunk


@given(st.floats(0.01, 0.99), st.integers(0, 2**32 - 1), st.integers(4, 400))
def test_a_split_is_disjoint_complete_and_repeatable(holdout: float, seed: int, rows: int) -> None:
    split = Split(holdout, seed)
    held = int(np.ceil(rows * holdout))
    if held < 2 or rows - held < 2:
        with pytest.raises(InvalidData, match=rf"^{rows} rows are too few"):
            split.positions(rows)
        return
    training, kept = split.positions(rows)
    assert sorted([*training.tolist(), *kept.tolist()]) == list(range(rows))
    assert len(kept) == held
    again = split.positions(rows)
    assert training.tolist() == again[0].tolist()
    assert kept.tolist() == again[1].tolist()


def test_the_rows_of_a_split_stay_what_they_are() -> None:
    """Published figures hold for these rows only."""
    training, kept = Split(0.2, 42).positions(10)
    assert (training.tolist(), kept.tolist()) == ([5, 0, 7, 2, 9, 4, 3, 6], [8, 1])


def test_another_seed_holds_out_other_rows() -> None:
    one, other = Split(seed=1).positions(1000)[1], Split(seed=2).positions(1000)[1]
    assert one.tolist() != other.tolist()


@pytest.mark.parametrize("holdout", [0, 1, -0.2, 1.5, float("nan")])
def test_a_fraction_that_leaves_nothing_is_refused(holdout: float) -> None:
    with pytest.raises(Misconfigured, match=r"hold-out fraction: .* is not between 0 and 1"):
        Split(holdout)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused(seed: int) -> None:
    with pytest.raises(Misconfigured, match=rf"seed: {seed} is not from 0 to 4294967295"):
        Split(seed=seed)


@given(st.floats(0.1, 0.5), st.floats(0, 0.4), st.integers(20, 400))
def test_rows_for_validation_are_neither_learnt_nor_judged_by(
    holdout: float, validation: float, rows: int
) -> None:
    whole, split = Split(holdout, 7), Split(holdout, 7, validation)
    training, kept = split.positions(rows)
    assert kept.tolist() == whole.positions(rows)[1].tolist()
    left_out = round(rows * validation)
    assert training.tolist() == whole.positions(rows)[0][left_out:].tolist()


def test_64_16_20_is_said_as_fractions_of_all_rows() -> None:
    training, kept = Split(0.2, 42, 0.16).positions(20_640)
    assert (len(training), len(kept)) == (13_210, 4_128)


@pytest.mark.parametrize("validation", [-0.1, 0.8, 1.0, float("nan")])
def test_validation_must_leave_something_to_learn_from(validation: float) -> None:
    with pytest.raises(Misconfigured, match=r"validation fraction: .* is not from 0 to below 0\.8"):
        Split(0.2, 42, validation)


def test_too_few_rows_are_refused_with_validation_too() -> None:
    with pytest.raises(InvalidData, match=r"^10 rows are too few"):
        Split(0.2, 42, 0.75).positions(10)
