"""For any sequence of failures, a server predicts with the newest version known to be good."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.formats.manifest_file import read_manifest
from application.model.load_model import GOLDEN
from application.scoring.predict_one import PredictOne
from domain.model.bundle import Bundle
from domain.model.golden_rows import GoldenRows
from domain.model.reference import CHAMPION, ModelVersion
from domain.training.specification import Estimator, TrainingSpec
from tests.fakes.model import MemoryBundleCache, MemoryRuntime
from tests.support.followers import RETRY_AFTER, Clock, DistantStore, follow
from tests.support.houses import ALWAYS, SCHEMA, World, with_file

ROW = {"age": 10.0, "rooms": 4, "place": "sea"}
MOST = 5


@dataclass(frozen=True)
class Sample:
    """A bundle and its prediction; the golden rows of an unsound one do not match it."""

    bundle: Bundle
    prediction: float
    sound: bool


@cache
def sample(number: int, sound: bool) -> Sample:
    world = World()
    version = world.train(TrainingSpec(Estimator.RIDGE, {"alpha": float(number)})).version
    bundle = world.store.load(version)
    manifest = bundle.verified(version.bundle_id, read_manifest)
    predictor = MemoryRuntime().load(manifest.schema, bundle.files)
    prediction = float(predictor.predict(SCHEMA.encode_records([ROW]))[0])
    if not sound:
        golden = GoldenRows.from_bytes(bundle.files[GOLDEN])
        wrong = GoldenRows(golden.inputs, golden.outputs + 1.0).to_bytes()
        files = {name: c for name, c in bundle.files.items() if name != Bundle.MANIFEST}
        bundle = Bundle.seal(manifest, {**files, GOLDEN: wrong})
    return Sample(bundle, prediction, sound)


class Following(RuleBasedStateMachine):
    """Compares a server with a model of its states."""

    def __init__(self) -> None:
        super().__init__()
        self.store, self.clock, self.cache = DistantStore(), Clock(), MemoryBundleCache(MOST)
        self.world = World(self.store)
        self.serving = follow(self.world, self.cache, self.clock)
        self.samples: dict[int, Sample] = {}
        self.kept: set[int] = set()
        self.good: ModelVersion | None = None  # the newest version known to be good
        self.serves: int | None = None  # what this server, not an earlier one, serves
        self.rejected: tuple[int, datetime] | None = None

    @initialize()
    def first(self) -> None:
        self.register(sound=True)
        self.store.set_alias("houses", CHAMPION, 1, None)

    @precondition(lambda self: len(self.samples) < MOST)
    @rule(sound=st.booleans())
    def register(self, sound: bool) -> None:
        made = sample(len(self.samples) + 1, sound)
        with self.store.reached():
            version = self.store.save("houses", made.bundle, ALWAYS, {})
        self.samples[version.number] = made

    @rule(data=st.data())
    def move_alias(self, data: st.DataObject) -> None:
        to = data.draw(st.sampled_from([*self.samples]))
        with self.store.reached():
            self.store.set_alias("houses", CHAMPION, to, self._target().number)

    @rule(data=st.data())
    def corrupt_or_repair(self, data: st.DataObject) -> None:
        """Make the store return other bytes than were registered, or the right ones again."""
        number = data.draw(st.sampled_from([*self.samples]))
        name = data.draw(st.sampled_from([GOLDEN, "model.onnx", Bundle.MANIFEST]))
        if self.store.spoil.pop(number, None) is None:
            self.store.spoil[number] = with_file(name, b"{}")

    @rule(down=st.booleans(), bundles_down=st.booleans())
    def lose_or_reach_the_store(self, down: bool, bundles_down: bool) -> None:
        self.store.down, self.store.bundles_down = down, bundles_down

    @rule(seconds=st.sampled_from([5, 30, 61]))
    def wait(self, seconds: int) -> None:
        self.clock.forward(timedelta(seconds=seconds))

    @rule()
    def restart(self) -> None:
        self.serving = follow(self.world, self.cache, self.clock)
        self.rejected = self.serves = None

    @rule()
    def refresh(self) -> None:
        healthy = not self.store.down and self._follows(self._target())
        assert self.serving.refresh() == (self.good is not None)
        assert (self.serving.state.problem == "") == healthy
        assert self.serving.state.degraded == (self.good is not None and not healthy)
        self.serves = self.good.number if self.good else None

    def _follows(self, target: ModelVersion) -> bool:
        """Return whether a refresh now ends with the version of the reference."""
        number, rejected = target.number, self.rejected
        if number == self.serves:
            self.rejected = None
            return True
        if rejected and rejected[0] == number and self.clock() < rejected[1]:
            return False
        self.rejected = None
        cached = number in self.kept
        if not cached and self.store.bundles_down:
            return False
        if not self.samples[number].sound or (not cached and number in self.store.spoil):
            self.rejected = (number, self.clock() + RETRY_AFTER)
            return False
        self.good = target
        self.kept.add(number)
        return True

    def _target(self) -> ModelVersion:
        with self.store.reached():
            return next(v for v in self.store.versions("houses") if CHAMPION in v.aliases)

    @invariant()
    def predictions_come_from_the_newest_good_version(self) -> None:
        if self.serves is None:
            assert not self.serving.ready
            return
        assert self.good is not None
        answer = PredictOne(self.serving.model, 1)([ROW])
        known = self.samples[self.good.number]
        assert known.sound
        assert (answer.model, answer.values) == (self.good.label, [known.prediction])


TestFollowing = Following.TestCase
