from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.schema_toml import read_schema
from adapters.simulator.block_groups import COEFFICIENTS, RESIDUAL, draw, regressors
from adapters.simulator.california import OCEAN_PROXIMITY
from adapters.simulator.simulated_source import COLUMNS, SimulatedSource
from domain.data.dataset import Chunk
from domain.data.feature import Kind
from domain.data.table import Table, plain
from domain.errors import InvalidData, Misconfigured
from tests.integration.contracts.data_source import contents

ROOT = Path(__file__).parents[3]
ROWS = 30_000


def whole(source: SimulatedSource, rows_per_chunk: int = ROWS) -> Table:
    columns = dict.fromkeys(COLUMNS)
    return Table.concat(source.read(chunk, columns) for chunk in source.plan(rows_per_chunk))


def numbers(table: Table, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(table.column(name), dtype=np.float64)


@pytest.fixture(scope="module")
def sample() -> Table:
    return whole(SimulatedSource(ROWS))


def test_the_columns_are_those_of_the_census_file(housing_csv: Path) -> None:
    with housing_csv.open() as stream:
        assert SimulatedSource(1).columns == tuple(stream.readline().strip().split(","))


def test_every_row_fits_the_schema_of_the_reference_data(sample: Table) -> None:
    schema = read_schema(ROOT / "data" / "housing.toml")
    assert schema.encode_table(sample).violations == ()
    values, problems = schema.encode_target(sample)
    assert problems == ()
    assert values.min() >= 14_999
    assert values.max() == 500_001


@given(
    start=st.integers(0, 20_000),
    rows=st.integers(1, 9_000),
    seed=st.integers(0, 2**64 - 1),
)
@settings(max_examples=15)
def test_rows_do_not_depend_on_the_chunk_they_are_read_in(start: int, rows: int, seed: int) -> None:
    source = SimulatedSource(start + rows, seed)
    columns = {"median_income": Kind.NUMBER, "ocean_proximity": Kind.CATEGORY}
    alone = source.read(Chunk(0, start, rows), columns)
    longer = SimulatedSource(40_000, seed).read(Chunk(0, 0, start + rows), columns)[start:]
    assert contents(alone) == contents(longer)


@pytest.mark.parametrize("size", [1_000, 8_192, 9_999])
def test_the_table_does_not_depend_on_the_chunks(sample: Table, size: int) -> None:
    again = whole(SimulatedSource(ROWS), size)
    for name, column in sample.columns.items():
        np.testing.assert_array_equal(plain(again.column(name)), plain(column))


def test_another_seed_gives_other_rows() -> None:
    one, other = (numbers(whole(SimulatedSource(500, seed)), "median_income") for seed in (0, 1))
    assert not np.isin(one, other).all()


def test_blocks_of_rows_do_not_repeat_each_other(sample: Table) -> None:
    values = numbers(sample, "median_income")
    assert len(np.intersect1d(values[:8_192], values[8_192:16_384])) < 4_096
    assert not np.array_equal(values[:8_192], values[8_192:16_384])


def test_the_version_says_that_the_rows_are_made_up() -> None:
    version = SimulatedSource(1_000).version
    assert version.simulated
    assert version.md5 is None
    assert version.rows == 1_000
    assert version.uri == "sample:1000"


def test_each_sample_has_a_version_of_its_own() -> None:
    samples = [SimulatedSource(n, seed) for n in (1, 2, 12) for seed in (0, 1, 21)]
    assert len({sample.version.sha256 for sample in samples}) == len(samples)


def test_least_squares_gives_the_published_equation_back() -> None:
    columns, _ = draw(200_000, np.random.default_rng(1))
    terms = regressors(columns)
    logarithm = np.log(columns["median_house_value"])
    found, *_ = np.linalg.lstsq(terms, logarithm, rcond=None)
    residual = np.std(logarithm - terms @ found)
    errors = residual * np.sqrt(np.diag(np.linalg.inv(terms.T @ terms)))
    assert residual == pytest.approx(RESIDUAL, rel=0.01)
    np.testing.assert_array_less(np.abs(found - [*COEFFICIENTS.values()]) / errors, 4)


def test_about_one_row_in_a_hundred_lacks_its_bedrooms(sample: Table) -> None:
    assert np.isnan(numbers(sample, "total_bedrooms")).mean() == pytest.approx(0.01, abs=0.003)
    for name in COLUMNS[:4] + COLUMNS[5:9]:
        assert not np.isnan(numbers(sample, name)).any(), name


def test_a_home_has_more_rooms_than_bedrooms_and_a_block_group_somebody(sample: Table) -> None:
    known = ~np.isnan(numbers(sample, "total_bedrooms"))
    rooms, bedrooms = numbers(sample, "total_rooms"), numbers(sample, "total_bedrooms")
    assert (rooms[known] > bedrooms[known]).all()
    for name in ("total_rooms", "population", "households", "housing_median_age"):
        values = numbers(sample, name)
        assert (values >= 1).all()
        assert (values == np.round(values)).all()
    assert numbers(sample, "housing_median_age").max() == 52


def test_the_marginals_are_near_those_of_the_census(sample: Table, housing_csv: Path) -> None:
    real = np.genfromtxt(housing_csv, delimiter=",", skip_header=1, usecols=range(9))
    for position, name in enumerate(COLUMNS[:9]):
        low, high = np.nanpercentile(real[:, position], [10, 90])
        quartiles = np.nanpercentile(numbers(sample, name), [25, 50, 75])
        expected = np.nanpercentile(real[:, position], [25, 50, 75])
        assert np.abs(quartiles - expected).max() < 0.1 * (high - low), name


def test_the_sea_is_where_it_is_in_the_census(housing_csv: Path, sample: Table) -> None:
    found = plain(sample.column("ocean_proximity"))
    real = np.genfromtxt(housing_csv, delimiter=",", skip_header=1, usecols=[9], dtype=str)
    assert np.count_nonzero(found == "ISLAND") > 0
    for name in OCEAN_PROXIMITY:
        assert (found == name).mean() == pytest.approx((real == name).mean(), abs=0.04), name
    # Between Los Angeles and the desert, the sea is in the west.
    south = np.abs(numbers(sample, "latitude") - 34) < 0.2
    east = {
        n: numbers(sample, "longitude")[south & (found == n)].mean()
        for n in ("INLAND", "<1H OCEAN", "NEAR OCEAN")
    }
    assert east["INLAND"] > east["<1H OCEAN"] > east["NEAR OCEAN"]


def test_a_column_of_no_census_is_refused() -> None:
    with pytest.raises(InvalidData, match="no column 'bathrooms'; it has longitude, "):
        SimulatedSource(5).read(Chunk(0, 0, 5), {"bathrooms": None})


def test_a_sample_has_at_least_one_row_and_a_seed_that_fits() -> None:
    with pytest.raises(Misconfigured, match="sample:0: there must be at least one row"):
        SimulatedSource(0)
    with pytest.raises(Misconfigured, match="seed: -1 is not from 0 to"):
        SimulatedSource(5, seed=-1)
