from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.manifest_file import read_manifest
from application.data.labelled_rows import LabelledRows, read_labelled
from application.ports import Predictor, TrainedModel
from application.training.calibrate_intervals import CalibrateIntervals, to_metrics
from application.uncertainty.intervals import Intervals
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema, Target
from domain.data.split import Split
from domain.errors import ArtefactRejected, InvalidData
from domain.model.bundle import Bundle
from domain.training.specification import TrainingSpec
from domain.uncertainty.conformal import error_scale_schema
from tests.fakes.data import MemorySource
from tests.fakes.execution import MemoryExecutor
from tests.fakes.model import MemoryRuntime
from tests.fakes.training import MemoryLearner
from tests.support.houses import (
    HOUSES,
    LINEAR,
    SCHEMA,
    Skewed,
    SpoiledStore,
    World,
    source,
    with_file,
)

ROWS = 400


def trained(rows: int = ROWS) -> World:
    world = World()
    world.train(data=source(rows))
    return world


def intervals_of(world: World) -> Intervals:
    intervals = world.load(HOUSES).intervals
    assert intervals is not None
    return intervals


def houses(rows: int, seed: int = 3) -> LabelledRows:
    return read_labelled(source(rows, seed), SCHEMA)


def test_intervals_cover_new_rows() -> None:
    world, rows = trained(), houses(5000)
    model = world.load(HOUSES)
    predictions = model.predictor.predict(rows.matrix)
    bounds = intervals_of(world).bounds(rows.matrix, predictions, 0.9)
    inside = (bounds.lower <= rows.target) & (rows.target <= bounds.upper)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.05)


@given(st.lists(st.integers(0, 59), min_size=1, max_size=20), st.sampled_from([0.5, 0.9, 0.97]))
def test_an_interval_does_not_depend_on_other_rows(picked: list[int], level: float) -> None:
    model, rows = WORLD.load(HOUSES), houses(60).matrix
    intervals = intervals_of(WORLD)
    predictions = model.predictor.predict(rows)
    together = intervals.bounds(rows[picked], predictions[picked], level)
    for place, row in enumerate(picked):
        alone = intervals.bounds(rows[row : row + 1], predictions[row : row + 1], level)
        assert together.lower[place].tobytes() == alone.lower[0].tobytes()
        assert together.upper[place].tobytes() == alone.upper[0].tobytes()


WORLD = trained(60)


def test_manifest_report_and_run_have_the_coverage() -> None:
    world = World()
    report = world.train(data=source(ROWS))
    manifest = world.load(HOUSES).manifest
    known = manifest.uncertainty
    assert known is not None
    assert known == report.uncertainty
    assert (known.level, known.scores, known.rows) == (0.9, 320, 80)
    assert {part.by for part in known.segments} == {"prediction", "place"}
    assert world.tracker.runs[0].metrics["interval_coverage"] == known.coverage
    assert to_metrics(None) == {}


class WatchingLearner(MemoryLearner):
    """Records the rows of each fit, by their first feature, and counts exports."""

    def __init__(self) -> None:
        self.fits: list[tuple[TrainingSpec, set[float]]] = []
        self.exports = 0

    def fit(
        self, spec: TrainingSpec, schema: Schema, matrix: Matrix, target: Vector
    ) -> TrainedModel:
        fitted = super().fit(spec, schema, matrix, target)
        rows = {*matrix[:, 0].tolist()}
        self.fits.append((spec, rows))
        return replace(
            fitted,
            predictor=Watching(fitted.predictor, rows, self),
            export=lambda: self._export(fitted),
        )

    def _export(self, fitted: TrainedModel) -> Mapping[str, bytes]:
        self.exports += 1
        return fitted.export()


class Watching:
    """A predictor that fails for rows that it was fitted on."""

    def __init__(self, sound: Predictor, rows: set[float], learner: WatchingLearner) -> None:
        self.sound, self.rows, self.learner = sound, rows, learner

    def predict(self, matrix: Matrix) -> Vector:
        assert not {*matrix[:, 0].tolist()} & self.rows
        return self.sound.predict(matrix)


def test_calibration_predictions_are_out_of_fold_and_one_model_is_exported() -> None:
    learner = WatchingLearner()
    changed: dict[str, Any] = {"age": np.arange(100.0)}
    spec = TrainingSpec(LINEAR.estimator, {}, Split(0.2, 1))
    rows = read_labelled(source(100, changed=changed), SCHEMA).divide(spec.split)
    served = MemoryLearner().fit(spec, SCHEMA, rows.training.matrix, rows.training.target)
    CalibrateIntervals(learner, MemoryRuntime(), MemoryExecutor())(
        spec, SCHEMA, rows, served.predictor.predict(rows.holdout.matrix)
    )
    everything = {*rows.training.matrix[:, 0].tolist()}
    model, error_scale, last = learner.fits[:5], learner.fits[5:10], learner.fits[10:]
    assert [len(fitted) for _, fitted in (*model, *error_scale, *last)] == [64] * 10 + [80]
    for fits in (model, error_scale):
        held = [everything - fitted for _, fitted in fits]
        assert set.union(*held) == everything
    assert last[0][1] == everything
    assert learner.exports == 1


def test_a_small_table_gives_a_model_without_intervals() -> None:
    world = World()
    report = world.train(data=source(24))
    assert report.uncertainty is None
    assert world.load(HOUSES).intervals is None


def test_without_calibration_the_bundle_has_no_intervals() -> None:
    world = World()
    world.train()
    with_intervals = {*world.store.load(world.store.resolve(HOUSES)).files}
    world.calibrating = False
    report = world.train()
    without = {*world.store.load(report.version).files}
    assert with_intervals - without == {
        "uncertainty.json",
        "spread.features.json",
        "spread.model.onnx",
        "spread.golden.json",
    }
    assert report.uncertainty is None


def test_an_unsupported_level_is_refused_before_anything_is_computed() -> None:
    intervals = Intervals(Unused(), intervals_of(WORLD).quantiles, Target("price"))
    with pytest.raises(InvalidData, match="interval: this level is not allowed"):
        intervals.bounds(np.zeros((1, 3)), np.zeros(1), 1.5)


class Unused:
    """A predictor that must not be called."""

    def predict(self, matrix: Matrix) -> Vector:
        raise AssertionError(f"called with {len(matrix)} rows")


BROKEN = {
    "uncertainty.json": b"{}",
    "spread.model.onnx": b"{}",
    "spread.features.json": b"null",
    "spread.golden.json": b"[]",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bundle_with_a_broken_error_scale_model_is_rejected(name: str) -> None:
    store = SpoiledStore()
    world = World(store)
    report = world.train()
    whole = store.load(report.version)
    manifest = whole.verified(whole.id, read_manifest)
    files = {n: c for n, c in whole.files.items() if n != Bundle.MANIFEST}
    broken = Bundle.seal(manifest, {**files, name: BROKEN[name]})
    where = name.removeprefix("spread.")
    with pytest.raises(ArtefactRejected, match=rf"(the error-scale model: )?{where}"):
        world.load.opened(store.save("houses", broken, report.version.created_at, {}), broken)
    lacking = Bundle.seal(manifest, {n: c for n, c in files.items() if n != name})
    if name == "uncertainty.json":
        return
    with pytest.raises(ArtefactRejected, match=f"the error-scale model: the bundle has no {where}"):
        world.load.opened(store.save("houses", lacking, report.version.created_at, {}), lacking)


def test_a_changed_file_of_the_error_scale_model_fails_its_checksum() -> None:
    store = SpoiledStore()
    world = World(store)
    world.train()
    store.spoil[1] = with_file("spread.model.onnx", b"{}")
    with pytest.raises(ArtefactRejected, match=r"spread\.model\.onnx was changed"):
        world.load(HOUSES)


class SkewedErrorScale(MemoryRuntime):
    """A runtime whose error-scale models fail the parity check."""

    def load(self, schema: Schema, files: Any) -> Any:
        sound = super().load(schema, files)
        return Skewed(sound) if schema == error_scale_schema(SCHEMA) else sound


def test_an_error_scale_model_that_fails_the_parity_check_is_not_registered() -> None:
    world = World(runtime=SkewedErrorScale())
    with pytest.raises(ArtefactRejected, match="error scale of the hold-out: "):
        world.train()
    assert world.store.names() == []


def test_the_same_training_gives_the_same_intervals_to_the_last_byte() -> None:
    first, second = trained(), trained()
    assert first.store.resolve(HOUSES).bundle_id == second.store.resolve(HOUSES).bundle_id


def test_a_fold_may_have_a_constant_target() -> None:
    price = np.where(np.arange(60) == 0, 2.0, 1.0)
    data = MemorySource(source(60, changed={"price": price}).table)
    world = World()
    report = world.train(data=data, spec=TrainingSpec(LINEAR.estimator, {}, _split_of(price)))
    assert report.uncertainty is not None


def _split_of(price: Vector) -> Split:
    """Return a split whose hold-out has the one different row."""
    return next(
        split
        for split in (Split(0.2, seed) for seed in range(100))
        if np.ptp(price[split.positions(len(price))[1]]) > 0
    )


def test_the_ends_of_intervals_keep_to_the_range_of_the_target() -> None:
    intervals = intervals_of(WORLD)
    rows = np.zeros((2, 3))
    predictions = np.array([1.0, 9.0])
    free = intervals.bounds(rows, predictions, 0.9)
    low, high = (free.lower[0] + 1.0) / 2, (free.upper[1] + 9.0) / 2
    kept = replace(intervals, target=Target("price", low=low, high=high))
    bounds = kept.bounds(rows, predictions, 0.9)
    assert bounds.lower.tolist() == [low, max(low, free.lower[1])]
    assert bounds.upper.tolist() == [min(high, free.upper[0]), high]
