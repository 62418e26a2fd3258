"""The intervals of the default model on the reference data: the figures that are promised."""

from dataclasses import dataclass

import numpy as np
import pytest

from application.data.labelled_rows import Divided, read_labelled
from application.ports import Predictor
from application.uncertainty.intervals import Intervals
from domain.model.reference import ModelRef
from domain.uncertainty.coverage import Uncertainty
from entrypoints.wiring.container import build_container
from entrypoints.wiring.settings import Settings
from tests.integration.program import Place

pytestmark = pytest.mark.slow

LARGE = 200


@dataclass(frozen=True)
class Trained:
    rows: Divided
    served: Predictor
    intervals: Intervals
    known: Uncertainty


@pytest.fixture(scope="module")
def trained(default_model: Place) -> Trained:
    """The model that `train` trains without options, with its intervals."""
    home = default_model / "artifacts"
    wired = build_container(Settings.model_validate({"variant": "api-baseline", "home": home}))
    model = wired.load_model()(ModelRef.parse("housing"))
    assert model.intervals is not None
    assert model.manifest.uncertainty is not None
    data = wired.source(default_model.settings["MODELPORT_DATA"])
    rows = read_labelled(data, wired.schema()).divide(model.manifest.split)
    return Trained(rows, model.predictor, model.intervals, model.manifest.uncertainty)


def test_intervals_at_90_hold_the_truth_for_90_percent_of_the_holdout(trained: Trained) -> None:
    assert trained.known.level == 0.9
    assert trained.known.rows == 4128
    assert 0.89 <= trained.known.coverage <= 0.91


def test_no_large_segment_is_covered_for_less_than_85_percent(trained: Trained) -> None:
    large = [part for part in trained.known.segments if part.rows >= LARGE]
    assert {part.by for part in large} == {"prediction", "ocean_proximity", "map"}
    assert len(large) == 5 + 4 + 8
    poor = [part for part in large if part.coverage < 0.85]
    assert poor == []


def test_no_large_band_of_100_000_dollars_is_covered_for_less_than_85_percent(
    trained: Trained,
) -> None:
    holdout = trained.rows.holdout
    predictions = trained.served.predict(holdout.matrix)
    bounds = trained.intervals.bounds(holdout.matrix, predictions, 0.9)
    inside = (bounds.lower <= holdout.target) & (holdout.target <= bounds.upper)
    bands = predictions // 100_000
    covered = {band: inside[bands == band] for band in np.unique(bands)}
    shares = {band: rows.mean() for band, rows in covered.items() if len(rows) >= LARGE}
    assert len(shares) >= 4
    assert min(shares.values()) >= 0.85


def test_intervals_are_15_percent_narrower_than_constant_ones_that_hold_as_much(
    trained: Trained,
) -> None:
    assert trained.known.narrower >= 0.15
    assert trained.known.width <= 0.85 * trained.known.constant.width


def test_every_level_is_kept_within_two_points(trained: Trained) -> None:
    for found in trained.known.levels:
        assert found.coverage == pytest.approx(found.level, abs=0.02)


def test_the_figures_are_those_of_the_intervals_that_are_served(trained: Trained) -> None:
    holdout = trained.rows.holdout
    predictions = trained.served.predict(holdout.matrix)
    bounds = trained.intervals.bounds(holdout.matrix, predictions, 0.9)
    inside = (bounds.lower <= holdout.target) & (holdout.target <= bounds.upper)
    assert np.mean(inside) == trained.known.coverage
    assert (bounds.lower < predictions).all()
    assert (predictions < bounds.upper).all()


def test_an_interval_is_the_same_alone_and_in_a_batch(trained: Trained) -> None:
    rows = trained.rows.holdout.matrix[:300].copy()
    rows[::7, 4] = np.nan
    rows[::11, 0] = 12.5
    predictions = trained.served.predict(rows)
    together = trained.intervals.bounds(rows, predictions, 0.9)
    for row in range(len(rows)):
        alone = trained.served.predict(rows[row : row + 1])
        bounds = trained.intervals.bounds(rows[row : row + 1], alone, 0.9)
        assert bounds.lower.tobytes() == together.lower[row].tobytes()
        assert bounds.upper.tobytes() == together.upper[row].tobytes()


def test_out_of_fold_scores_are_as_many_as_the_training_rows(trained: Trained) -> None:
    quantiles = trained.intervals.quantiles
    assert quantiles.scores == len(trained.rows.training) == 16_512
    assert len(quantiles.quantiles) == 491
