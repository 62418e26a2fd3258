import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from adapters.formats.manifest_file import read_manifest
from application.data.labelled_rows import read_labelled
from application.model.load_model import PROFILE
from application.training.training_progress import TrainingProgress
from domain.data.feature import Feature, Kind, Vector
from domain.data.schema import Matrix, Schema
from domain.data.split import Split
from domain.data.table import Table, plain
from domain.errors import (
    ArtefactRejected,
    Conflict,
    InvalidData,
    InvalidRows,
    Misconfigured,
    NotFound,
    Unavailable,
)
from domain.features.feature_set import FeatureSet
from domain.model.bundle import Bundle
from domain.model.manifest import CodeVersion
from domain.model.reference import ModelRef, ModelVersion
from domain.promotion.candidate import Candidate, Incomparable
from domain.promotion.ledger import Action, PromotionOutcome
from domain.training.specification import Estimator, TrainingSpec
from tests.fakes.data import MemorySource
from tests.fakes.model import LinearPredictor, MemoryRuntime, MemoryStore
from tests.support.houses import (
    ALWAYS,
    DUMMY,
    HOUSES,
    LINEAR,
    RIDGE,
    SCHEMA,
    FlakyTracker,
    FullStore,
    GaplessRuntime,
    RacingStore,
    SkewedRuntime,
    SpoiledStore,
    World,
    columns,
    source,
    split_of,
    with_file,
    without,
)
from tests.support.strategies import objects


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_model_becomes_champion(world: World) -> None:
    report = world.train()
    assert (report.version.label, report.version.created_at) == ("houses/1", ALWAYS)
    assert report.decision.promoted
    assert report.decision.reasons == ("there is no champion yet",)
    assert report.champion is None
    assert report.metrics.rows == 12
    assert report.metrics.r2 > 0.9
    assert world.aliases() == {"champion": 1}


def test_a_better_challenger_takes_over_and_the_other_is_remembered(world: World) -> None:
    world.train(DUMMY)
    report = world.train(LINEAR)
    assert isinstance(report.champion, Candidate)
    assert report.champion.metrics.rmse > report.metrics.rmse
    assert "is lower than" in report.decision.reasons[0]
    assert world.aliases() == {"champion": 2, "previous": 1}


def test_a_worse_challenger_is_registered_and_refused(world: World) -> None:
    world.train(LINEAR)
    report = world.train(RIDGE)
    assert not report.decision.promoted
    assert "is higher than" in report.decision.reasons[0]
    assert report.version.label == "houses/2"
    assert world.aliases() == {"champion": 1}


def test_an_equally_good_challenger_is_refused(world: World) -> None:
    world.train(LINEAR)
    report = world.train(TrainingSpec(Estimator.RIDGE))
    assert report.version.label == "houses/2"
    assert not report.decision.promoted
    assert report.decision.reasons[0].startswith(
        "neither RMSE is lower beyond doubt, and it is not"
    )
    assert "is not lower than" in report.decision.reasons[1]


def test_the_margin_keeps_a_champion_that_is_only_a_little_worse(world: World) -> None:
    world.train(TrainingSpec(Estimator.RIDGE, {"alpha": 0.5}))
    world.margin = 0.9
    report = world.train(LINEAR)
    assert not report.decision.promoted
    assert world.aliases() == {"champion": 1}


def test_training_the_same_again_gives_the_same_version_which_stays_champion(world: World) -> None:
    first = world.train()
    again = world.train()
    assert again.version.bundle_id == first.version.bundle_id
    assert again.version.label == "houses/1"
    assert again.decision.promoted
    assert again.decision.reasons == ("identical to the champion houses/1",)
    assert len(world.store.versions("houses")) == 1
    assert world.aliases() == {"champion": 1}


def test_the_same_training_in_another_place_gives_the_same_bundle() -> None:
    here, there = World(), World()
    there.train(DUMMY)
    assert here.train().version.bundle_id == there.train().version.bundle_id


def test_a_refused_model_that_is_trained_again_is_refused_again(world: World) -> None:
    world.train(LINEAR)
    world.train(DUMMY)
    report = world.train(DUMMY)
    assert (report.version.label, report.decision.promoted) == ("houses/2", False)


def test_nobody_takes_over_unless_it_is_asked_for(world: World) -> None:
    report = world.train(promote=False)
    assert not report.decision.promoted
    assert report.decision.reasons == ("promotion was not requested", "there is no champion yet")
    assert report.version.label == "houses/1"
    assert world.aliases() == {}


def test_champion_and_challenger_are_compared_on_the_same_rows(world: World) -> None:
    world.train(LINEAR)
    report = world.train(split_of(DUMMY, 0.5, 7), source(100, seed=1))
    assert isinstance(report.champion, Candidate)
    assert report.champion.metrics.rows == report.metrics.rows == 50
    assert "was trained on other rows" in report.decision.reasons[-1]


def test_a_champion_with_other_features_is_kept(world: World) -> None:
    world.train()
    wider = replace(SCHEMA, features=(*SCHEMA.features, Feature("id", Kind.NUMBER)))
    report = world.train(LINEAR, source(changed={"id": np.arange(60.0)}), wider)
    assert isinstance(report.champion, Incomparable)
    assert not report.decision.promoted
    assert "its schema has other features" in report.decision.reasons[0]
    assert world.aliases() == {"champion": 1}


def test_a_model_of_real_data_replaces_one_of_simulated_data_and_not_the_reverse(
    world: World,
) -> None:
    world.train(LINEAR, source(seed=1, simulated=True))
    assert world.train(DUMMY, source(seed=2)).decision.promoted
    refused = world.train(LINEAR, source(seed=3, simulated=True))
    assert not refused.decision.promoted
    assert world.aliases() == {"champion": 2, "previous": 1}


def test_a_broken_champion_is_replaced_by_hand_only() -> None:
    store = SpoiledStore()
    world = World(store)
    world.train(LINEAR)
    store.spoil[1] = with_file("model.onnx", b"{}")
    report = world.train(DUMMY)
    assert isinstance(report.champion, Incomparable)
    assert not report.decision.promoted
    assert (
        "houses/1 cannot be compared: houses/1: model.onnx was changed"
        in (report.decision.reasons[0])
    )
    assert world.champion() == "houses/1"


def test_the_bundle_records_what_made_the_model(world: World) -> None:
    data = source()
    report = world.train(RIDGE, data)
    bundle = world.store.load(report.version)
    manifest = bundle.verified(report.version.bundle_id, read_manifest)
    assert manifest.schema == SCHEMA
    assert manifest.training == TrainingSpec(
        Estimator.RIDGE, {"alpha": 50.0}, Split(0.2, 42), FeatureSet.PLAIN
    )
    assert manifest.metrics == report.metrics
    assert manifest.data == data.version.identity
    assert manifest.code == CodeVersion(revision="abc")
    assert manifest.libraries == {"numpy": np.__version__}
    assert manifest.parity == 0.0
    assert json.loads(bundle.files[PROFILE])["rows"] == 48
    assert report.version.details["data.uri"] == "houses.csv"
    assert report.version.details["run"] == report.run_id
    assert report.version.details["estimator"] == "ridge"


def test_the_stages_are_reported_with_the_share_that_is_done(world: World) -> None:
    told: list[TrainingProgress] = []
    world.train(progress=told.append)
    assert [each.stage for each in told] == [
        "reading and checking rows",
        "fitting on 48 rows",
        *(f"calibrating intervals, {done} of 5 folds done" for done in range(6)),
        "comparing with the champion, registering",
    ]
    shares = [each.share for each in told]
    assert shares == sorted(shares)
    assert (shares[1], shares[-1]) == (0.0, 0.95)
    assert told[1].seconds_left(10.0) is None
    assert told[2].seconds_left(10.0) == pytest.approx(60.0)


def test_the_run_is_tracked(world: World) -> None:
    report = world.train()
    (run,) = world.tracker.outer
    assert (run.id, run.name, run.status) == (report.run_id, "houses", "finished")
    given = LINEAR.for_schema(SCHEMA).to_mapping()
    assert run.title == "houses linear"
    assert run.params == {**given, "parameters": {"alpha": 0.0}}
    assert report.uncertainty is not None
    assert run.metrics.items() >= report.metrics.to_mapping().items()
    assert run.metrics["interval_coverage"] == report.uncertainty.coverage
    assert run.metrics["interval_width"] == report.uncertainty.width
    assert run.metrics["gate.latency.row_ms"] == pytest.approx(1.0)
    assert run.tags == {
        "bundle": report.version.bundle_id,
        "promoted": "true",
        "decision": "there is no champion yet",
        "gate.coverage": "passed",
        "gate.latency": "passed",
    }
    assert json.loads(run.artifacts["decision.json"]) == report.decision.to_mapping()
    assert run.artifacts["model-card.md"] == b"# houses"
    assert Bundle({Bundle.MANIFEST: run.artifacts["manifest.json"]}).id == run.tags["bundle"]


def test_the_run_has_metrics_of_the_training_rows_and_a_nested_run_per_fold(world: World) -> None:
    report = world.train()
    outer, *folds = world.tracker.runs
    assert outer.metrics["training_rows"] == 48
    assert 0 < outer.metrics["training_rmse"] < outer.metrics["cv_rmse"]
    assert [fold.title for fold in folds] == [f"houses linear, fold {n}" for n in range(1, 6)]
    assert {(fold.parent, fold.status) for fold in folds} == {(report.run_id, "finished")}
    assert all(fold.params == outer.params for fold in folds)
    assert sum(fold.metrics["rows"] for fold in folds) == outer.metrics["cv_rows"] == 48
    squares = sum(fold.metrics["rmse"] ** 2 * fold.metrics["rows"] for fold in folds)
    assert (squares / 48) ** 0.5 == pytest.approx(outer.metrics["cv_rmse"], rel=1e-12)


def test_every_decision_is_in_the_ledger_with_its_figures(world: World) -> None:
    first = world.train(DUMMY)
    report = world.train(LINEAR)
    world.train(LINEAR)
    world.train(RIDGE)
    world.train(DUMMY, promote=False)
    entries = world.ledger.entries("houses")
    assert [(e.version, e.outcome, e.champion) for e in entries] == [
        ("houses/1", PromotionOutcome.PROMOTED, None),
        ("houses/2", PromotionOutcome.PROMOTED, "houses/1"),
        ("houses/2", PromotionOutcome.UNCHANGED, "houses/2"),
        ("houses/3", PromotionOutcome.REFUSED, "houses/2"),
        ("houses/1", PromotionOutcome.WITHHELD, "houses/2"),
    ]
    assert {(e.action, e.by, e.at) for e in entries} == {(Action.TRAIN, "ada", ALWAYS)}
    assert entries[0].reasons == ("there is no champion yet",)
    error = entries[1].evidence["checks"][0]
    assert error["champion_rmse"] == first.metrics.rmse
    assert error["challenger_rmse"] == report.metrics.rmse
    assert error["low"] < error["difference"] < error["high"] < 0
    assert entries[1].evidence["run"] == report.run_id
    assert entries[1].evidence["data"]["sha256"] == report.data.sha256


def test_without_a_ledger_nobody_takes_over(world: World) -> None:
    world.train(DUMMY)
    world.ledger.problem = "ledger is full"
    with pytest.raises(Unavailable, match=r"ledger is full"):
        world.train(LINEAR)
    assert world.aliases() == {"champion": 1}


def test_a_model_that_is_too_slow_is_refused_even_as_the_first(world: World) -> None:
    world.latency_ms = 0.5
    report = world.train()
    assert not report.decision.promoted
    assert report.decision.reasons == (
        "one row takes 1 ms, above the budget of 0.5 ms",
        "there is no champion yet",
    )
    assert world.aliases() == {}


def _broken(name: str, cell: object) -> MemorySource:
    column = objects(plain(columns()[name]).tolist())
    column[16] = cell
    return source(changed={name: column})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (_broken("place", "moon"), "row 17, place: is not a known category"),
        (_broken("rooms", None), "row 17, rooms: is missing"),
        (_broken("rooms", "three"), "row 17, rooms: is not a number"),
        (_broken("age", float("inf")), "row 17, age: is not a finite number"),
        (_broken("price", None), "row 17, price: is missing"),
        (_broken("price", "n/a"), "row 17, price: is not a number"),
    ],
)
def test_a_bad_row_is_named_by_its_number_counted_from_one(
    world: World, data: MemorySource, why: str
) -> None:
    with pytest.raises(InvalidRows) as error:
        world.train(LINEAR, data)
    assert [violation.row for violation in error.value.violations] == [17]
    assert why in str(error.value)
    assert "moon" not in str(error.value)
    assert (world.store.names(), world.tracker.runs) == ([], [])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (
            source(changed={"price": np.full(60, 0.1)}),
            r"^houses\.csv: price is the same in all 60 rows",
        ),
        (without("price"), r"no column 'price', which is the target"),
        (without("age"), r"no column 'age'; it has 'rooms', 'place', 'price'"),
        (source(0), r"^houses\.csv: there are no rows"),
        (source(3), r"^3 rows are too few"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_refused(
    world: World, data: MemorySource, why: str
) -> None:
    with pytest.raises(InvalidData, match=why):
        world.train(LINEAR, data)
    assert (world.store.names(), world.tracker.runs) == ([], [])


def test_a_holdout_that_cannot_tell_models_apart_is_refused_before_the_fit(world: World) -> None:
    price = np.full(60, 1.0)
    price[LINEAR.split.positions(60)[0][0]] = 2.0
    with pytest.raises(InvalidData, match=r"the target is constant: all 12 rows"):
        world.train(LINEAR, source(changed={"price": price}))
    assert (world.store.names(), world.tracker.runs) == ([], [])


def test_a_name_that_differs_from_a_model_in_case_only_is_refused_before_the_fit(
    world: World,
) -> None:
    world.train()
    with pytest.raises(Misconfigured, match=r"'Houses' differs from 'houses' in upper and lower"):
        world.train(schema=replace(SCHEMA, name="Houses"))
    assert (world.store.names(), len(world.tracker.outer)) == (["houses"], 1)


def test_an_unknown_parameter_fails_the_run(world: World) -> None:
    with pytest.raises(Misconfigured, match=r"unknown parameter 'alhpa'"):
        world.train(TrainingSpec(Estimator.RIDGE, {"alhpa": 1.0}))
    assert world.store.names() == []
    assert [run.status for run in world.tracker.outer] == ["failed"]


@pytest.mark.parametrize("where", ["runtime", "graph_runtime"])
def test_a_serving_form_that_answers_otherwise_is_not_registered(world: World, where: str) -> None:
    setattr(world, where, SkewedRuntime())
    with pytest.raises(ArtefactRejected, match=r"^hold-out: predictions differ by up to 1e-06"):
        world.train()
    assert world.store.names() == []
    assert [run.status for run in world.tracker.outer] == ["failed"]


def test_a_serving_form_is_compared_on_missing_values_though_the_data_has_none(
    world: World,
) -> None:
    world.runtime = GaplessRuntime()
    with pytest.raises(
        ArtefactRejected, match=r"^missing values: predictions differ by up to 0\.01"
    ):
        world.train(LINEAR, source(changed={"age": np.linspace(1.0, 99.0, 60)}))
    assert world.store.names() == []


@pytest.mark.parametrize("step", ["open", "log_params", "log_metrics", "log_artifact", "log_tags"])
def test_a_tracker_that_goes_away_leaves_no_version(step: str) -> None:
    world = World(tracker=FlakyTracker(step))
    with pytest.raises(Unavailable, match=f"tracker is gone at {step}"):
        world.train()
    assert world.store.names() == []
    assert [run.status for run in world.tracker.outer] == ["failed"] * (step != "open")


def test_a_tracker_that_goes_away_at_the_end_leaves_a_champion_and_the_error_says_so() -> None:
    world = World(tracker=FlakyTracker("close"))
    with pytest.raises(Unavailable, match=r"^houses/1 is champion: tracker is gone at close"):
        world.train()
    assert world.aliases() == {"champion": 1}
    (version,) = world.store.versions("houses")
    assert world.load(ModelRef("houses", None, 1)).version == version
    world.tracker = FlakyTracker("never")
    assert world.train().version.label == "houses/1"
    assert world.aliases() == {"champion": 1}


def test_a_store_that_cannot_save_leaves_the_champion_and_a_failed_run() -> None:
    store = FullStore()
    world = World(store)
    world.train(DUMMY)
    store.full = True
    with pytest.raises(Unavailable, match=r"no space left"):
        world.train(LINEAR)
    assert world.aliases() == {"champion": 1}
    assert [run.status for run in world.tracker.outer] == ["finished", "failed"]


@pytest.mark.parametrize("before", ["save", "champion"])
def test_a_champion_that_somebody_else_appointed_meanwhile_stays(before: str) -> None:
    def appoint_other(store: MemoryStore) -> None:
        store.set_alias("houses", "champion", 2, 1)

    store = RacingStore(appoint_other, before)
    world = World(store)
    world.train(DUMMY)
    world.train(RIDGE, promote=False)
    store.armed = True
    with pytest.raises(Conflict, match=r"houses@champion points to version 2, not to version 1"):
        world.train(LINEAR)
    assert world.aliases() == {"champion": 2}
    assert [version.number for version in store.versions("houses")] == [1, 2, 3]
    assert world.load(ModelRef("houses", None, 3)).version.number == 3
    *earlier, failed = world.ledger.entries("houses")
    assert (len(earlier), failed.outcome) == (2, PromotionOutcome.CONFLICT)
    assert "moved in the meantime" in failed.reasons[0]
    run = world.tracker.outer[-1]
    assert (run.status, run.tags["promoted"]) == ("failed", "false")
    assert run.tags["decision"].startswith(failed.reasons[0])
    decision = json.loads(run.artifacts["decision.json"])
    assert (decision["promoted"], decision["reasons"][0]) == (False, failed.reasons[0])


@dataclass
class LostAnswer(MemoryStore):
    """A store whose answer to the move of an alias is lost, before or after it moved."""

    moves: bool
    armed: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        if not self.armed:
            super().set_alias(name, alias, to, expected)
            return
        if self.moves:
            super().set_alias(name, alias, to, expected)
        raise Unavailable("the store does not answer")


@pytest.mark.parametrize("moves", [True, False])
def test_every_record_says_what_became_of_a_promotion_whose_answer_is_lost(moves: bool) -> None:
    store = LostAnswer(moves)
    world = World(store)
    world.train(DUMMY)
    store.armed = True
    if moves:
        assert world.train(LINEAR).decision.promoted
    else:
        with pytest.raises(Unavailable, match=r"^houses/2 is registered, but not promoted: the st"):
            world.train(LINEAR)
    assert world.champion() == ("houses/2" if moves else "houses/1")
    outcome = PromotionOutcome.PROMOTED if moves else PromotionOutcome.CONFLICT
    assert [e.outcome for e in world.ledger.entries("houses")[1:]] == [outcome]
    run = world.tracker.outer[-1]
    assert run.tags["promoted"] == str(moves).lower()
    assert run.status == ("finished" if moves else "failed")


def test_a_promotion_that_the_ledger_cannot_complete_is_begun_there_and_true_in_the_run(
    world: World,
) -> None:
    world.train(DUMMY)
    world.ledger.room = 1
    with pytest.raises(Unavailable, match=r"^houses/2 is champion: the ledger is full"):
        world.train(LINEAR)
    assert world.champion() == "houses/2"
    assert [e.outcome for e in world.ledger.entries("houses")] == ["promoted", "begun"]
    run = world.tracker.outer[-1]
    assert (run.status, run.tags["promoted"]) == ("failed", "true")


def test_a_champion_that_is_deleted_while_it_is_compared_is_not_replaced() -> None:
    class Deleting(MemoryStore):
        deleted = False

        def load(self, version: ModelVersion) -> Bundle:
            if self.deleted and version.number == 1:
                raise NotFound("houses has no version 1")
            return super().load(version)

    store = Deleting()
    world = World(store)
    world.train(DUMMY)
    store.deleted = True
    report = world.train(LINEAR)
    assert (report.version.label, report.decision.promoted) == ("houses/2", False)
    assert report.decision.reasons[0].startswith("houses/1 cannot be compared")


def test_a_first_champion_that_somebody_else_appointed_meanwhile_stays() -> None:
    def appoint_other(store: MemoryStore) -> None:
        store.set_alias("houses", "champion", 1, None)

    store = RacingStore(appoint_other)
    world = World(store)
    world.train(DUMMY, promote=False)
    store.armed = True
    with pytest.raises(Conflict):
        world.train(LINEAR)
    assert world.champion() == "houses/1"


def test_a_model_bears_the_name_of_its_schema(world: World) -> None:
    other = Schema("flats", SCHEMA.target, SCHEMA.features)
    report = world.train(LINEAR, schema=other)
    assert report.version.label == "flats/1"
    with pytest.raises(NotFound):
        world.store.resolve(HOUSES)


def test_a_second_table_needs_no_change() -> None:
    schema = Schema("flags", replace(SCHEMA.target, name="y"), (Feature("x", Kind.BOOLEAN),))
    flags = np.arange(40) % 3 == 0
    data = MemorySource(Table.of({"x": flags, "y": flags * 2.0 + 1}))
    report = World().train(LINEAR, data, schema)
    assert report.metrics.rmse == pytest.approx(0, abs=1e-9)


def test_a_store_that_is_down_is_noticed_before_anything_is_trained() -> None:
    class Away(MemoryStore):
        def resolve(self, ref: ModelRef) -> ModelVersion:
            raise Unavailable("registry is down")

    world = World(Away())
    with pytest.raises(Unavailable, match=r"registry is down"):
        world.train()
    assert (world.store.names(), world.tracker.runs) == ([], [])


class RecordingRuntime(MemoryRuntime):
    """A `Runtime` that records the rows that its predictors score."""

    def __init__(self) -> None:
        self.scored: list[bytes] = []

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        return Recording(super().load(schema, files), self.scored)


@dataclass(frozen=True)
class Recording:
    """A predictor that records the rows that it scores."""

    inner: LinearPredictor
    scored: list[bytes]

    def predict(self, matrix: Matrix) -> Vector:
        self.scored.append(matrix.tobytes())
        return self.inner.predict(matrix)


def test_each_serving_form_scores_the_hold_out_once() -> None:
    runtime, graph_runtime = RecordingRuntime(), RecordingRuntime()
    world = World(runtime=runtime, graph_runtime=graph_runtime)
    data = source(400)
    holdout = read_labelled(data, SCHEMA).divide(LINEAR.split).holdout.matrix.tobytes()
    world.train(LINEAR, data)
    assert runtime.scored.count(holdout) == graph_runtime.scored.count(holdout) == 1
    world.train(RIDGE, data)
    assert runtime.scored.count(holdout) == 1 + 2  # challenger and champion
    assert graph_runtime.scored.count(holdout) == 2
