import numpy as np
import pytest

from domain.data.schema import Target
from domain.evaluation.segments import Segment
from domain.uncertainty.conformal import Bounds, Quantiles
from domain.uncertainty.coverage import Coverage, Scored, Uncertainty, assess, cover

TARGET = Target("error")


def test_coverage_counts_the_ends_and_averages_the_width() -> None:
    bounds = Bounds(np.array([0.0, 0.0, 5.0, 7.0]), np.array([1.0, 2.0, 9.0, 8.0]))
    found = cover(np.array([0.0, 2.0, 4.0, 7.5]), bounds)
    assert found == Coverage(rows=4, coverage=0.75, width=2.0)


def _assessed(rows: int = 4000) -> Uncertainty:
    random = np.random.default_rng(5)

    def drawn() -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], ...]:
        size = random.uniform(0.1, 10.0, rows)
        return random.normal(0, size), np.sqrt(size)

    errors, roots = drawn()
    quantiles = Quantiles.of(np.abs(errors), roots, 1.0)
    constant = Quantiles.of(np.abs(errors), np.zeros(rows), 1.0)
    errors, roots = drawn()
    half = Segment("half", "first", np.arange(rows) < rows // 2)
    return assess(quantiles, constant, Scored(errors, np.zeros(rows), roots, TARGET), [half])


def test_intervals_are_measured_on_rows_that_took_no_part() -> None:
    found = _assessed()
    assert (found.level, found.rows, found.scores) == (0.9, 4000, 4000)
    assert found.coverage == pytest.approx(0.9, abs=0.02)
    assert found.constant.coverage == pytest.approx(0.9, abs=0.02)
    assert found.constant.width > found.width


def test_the_gain_over_a_constant_width_is_taken_at_the_same_coverage() -> None:
    found = _assessed()
    nominal = 1 - found.width / found.constant.width
    assert found.narrower == pytest.approx(nominal, abs=0.03)
    assert found.narrower > 0.1


def test_every_level_is_measured_and_covers_more_than_the_one_before() -> None:
    levels = _assessed().levels
    assert [each.level for each in levels] == [0.5, 0.8, 0.9, 0.95, 0.99]
    for figure in ("coverage", "width", "quantile"):
        values = [getattr(each, figure) for each in levels]
        assert values == sorted(values)


def test_each_segment_is_measured_by_its_own_rows() -> None:
    (segment,) = _assessed().segments
    assert (segment.by, segment.segment, segment.rows) == ("half", "first", 2000)


def test_few_scores_give_no_figures_for_levels_that_cannot_be_had() -> None:
    errors = np.arange(20.0)
    quantiles = Quantiles.of(errors, np.zeros(20), 1.0)
    scored = Scored(errors, np.zeros(20), np.zeros(20), TARGET)
    found = assess(quantiles, quantiles, scored, [])
    assert [each.level for each in found.levels] == [0.5, 0.8, 0.9, 0.95]


def test_a_model_without_errors_gains_nothing_over_a_constant_width() -> None:
    quantiles = Quantiles.of(np.zeros(30), np.zeros(30), 1.0)
    scored = Scored(np.ones(5), np.ones(5), np.zeros(5), TARGET)
    assert assess(quantiles, quantiles, scored, []).narrower == 0.0
