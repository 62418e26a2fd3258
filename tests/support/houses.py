"""A small table of houses, and the use cases on fakes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import numpy as np

from adapters.formats.manifest_file import read_manifest
from application.evaluation.evaluate_model import EvaluateModel
from application.model.load_model import LoadModel
from application.ports import Signer
from application.promotion.compare_candidates import CompareCandidates
from application.promotion.promote_model import PromoteModel
from application.promotion.set_champion import SetChampion
from application.scoring.predict_batch import PredictBatch
from application.training.calibrate_intervals import CalibrateIntervals
from application.training.train_model import TrainingReport, TrainModel
from application.training.training_progress import TrainingProgress, silent
from domain.data.dataset import DatasetVersion
from domain.data.feature import Feature, Kind, Vector
from domain.data.schema import Matrix, Ratio, Schema, Target
from domain.data.split import Split
from domain.data.table import Column, Table
from domain.errors import Unavailable
from domain.model.bundle import Bundle
from domain.model.manifest import CodeVersion
from domain.model.reference import ModelRef, ModelVersion
from domain.promotion.policy import PromotionPolicy
from domain.training.specification import Estimator, TrainingSpec
from tests.fakes.data import MemorySource
from tests.fakes.execution import MemoryExecutor
from tests.fakes.model import (
    LinearPredictor,
    MemoryBundleCache,
    MemoryExplainers,
    MemoryRuntime,
    MemoryStore,
)
from tests.fakes.tracking import MemoryLedger, MemoryRun, MemoryTracker
from tests.fakes.training import MemoryLearner
from tests.support.strategies import objects

SCHEMA = Schema(
    "houses",
    Target("price", "dollars"),
    (
        Feature("age", Kind.NUMBER, "years", low=0, high=200, nullable=True),
        Feature("rooms", Kind.INTEGER, low=1),
        Feature("place", Kind.CATEGORY, categories=("sea", "land")),
    ),
    (Ratio("age_per_room", "age", "rooms"),),
)
ALWAYS = datetime(2024, 5, 17, 12, tzinfo=UTC)
HOUSES = ModelRef("houses")

DUMMY = TrainingSpec(Estimator.DUMMY)
LINEAR = TrainingSpec(Estimator.LINEAR)
RIDGE = TrainingSpec(Estimator.RIDGE, {"alpha": 50.0})


def columns(rows: int = 60, seed: int = 0) -> dict[str, Column]:
    """Return houses whose price is a function of the features, with noise."""
    random = np.random.default_rng(seed)
    age, count = random.uniform(0, 100, rows), random.integers(1, 9, rows)
    place = random.integers(0, 2, rows)
    price = 50_000 * count - 1_000 * age + 90_000 * place + random.normal(0, 5_000, rows)
    age[::7] = np.nan
    where = objects([("sea", "land")[code] for code in place])
    return {"age": age, "rooms": count, "place": where, "price": np.nan_to_num(price, nan=1e5)}


def source(
    rows: int = 60,
    seed: int = 0,
    *,
    simulated: bool = False,
    changed: Mapping[str, Column] = MappingProxyType({}),
) -> MemorySource:
    """Return houses as a source; some columns are replaced."""
    plain = MemorySource(Table.of({**columns(rows, seed), **changed}))
    version = DatasetVersion("houses.csv", plain.version.sha256, rows, simulated=simulated)
    return MemorySource(plain.table, version)


def without(name: str) -> MemorySource:
    """Return houses without a column."""
    return MemorySource(Table.of({n: c for n, c in columns().items() if n != name}))


@dataclass
class World:
    """The fakes, which a test may replace, and the use cases on them."""

    store: MemoryStore = field(default_factory=MemoryStore)
    tracker: MemoryTracker = field(default_factory=MemoryTracker)
    runtime: MemoryRuntime = field(default_factory=MemoryRuntime)
    graph_runtime: MemoryRuntime = field(default_factory=MemoryRuntime)
    cache: MemoryBundleCache = field(default_factory=MemoryBundleCache)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    signer: Signer | None = None
    margin: float = 0.0
    calibrating: bool = True
    latency_ms: float = 10.0

    @property
    def load(self) -> LoadModel:
        return LoadModel(self.store, self.runtime, read_manifest)

    @property
    def promote(self) -> PromoteModel:
        return PromoteModel(self.load, self.set_champion)

    @property
    def set_champion(self) -> SetChampion:
        return SetChampion(self.store, self.ledger, self.cache, lambda: ALWAYS, "ada")

    @property
    def evaluate(self) -> EvaluateModel:
        return EvaluateModel(self.load)

    @property
    def predict(self) -> PredictBatch:
        ticks = iter(range(1_000_000))
        return PredictBatch(
            self.load, MemoryExecutor(), lambda: float(next(ticks)), MemoryExplainers
        )

    def train(
        self,
        spec: TrainingSpec = LINEAR,
        data: MemorySource | None = None,
        schema: Schema = SCHEMA,
        *,
        promote: bool = True,
        progress: Callable[[TrainingProgress], None] = silent,
    ) -> TrainingReport:
        ticks = iter(range(1_000_000))
        policy = PromotionPolicy(self.margin, latency_ms=self.latency_ms)
        use_case = TrainModel(
            MemoryLearner(),
            self.graph_runtime,
            self.tracker,
            CompareCandidates(self.load, policy, lambda: next(ticks) / 1000),
            self.set_champion,
            lambda: ALWAYS,
            CodeVersion(revision="abc"),
            lambda manifest: {"model-card.md": f"# {manifest.name}".encode()},
            CalibrateIntervals(MemoryLearner(), self.runtime, MemoryExecutor()),
            self.signer,
        )
        options: Any = {"promote": promote, "intervals": self.calibrating, "progress": progress}
        return use_case(data or source(), schema, spec, **options)

    def champion(self) -> str:
        """Return the label of the champion."""
        return self.store.resolve(HOUSES).label

    def aliases(self) -> dict[str, int]:
        """Return the version of each alias."""
        if not self.store.names():
            return {}
        return {alias: v.number for v in self.store.versions("houses") for alias in v.aliases}


class RacingStore(MemoryStore):
    """A store in which another process acts once, before a version is saved or an alias set."""

    def __init__(self, act: Callable[[MemoryStore], None], before: str = "champion") -> None:
        super().__init__()
        self.act, self.before = act, before
        self.armed = False

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        self._race("save")
        return super().save(name, bundle, created_at, details)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        self._race(alias)
        super().set_alias(name, alias, to, expected)

    def _race(self, step: str) -> None:
        if self.armed and step == self.before:
            self.armed = False
            self.act(self)


class SpoiledStore(MemoryStore):
    """A store that returns damaged bundles of some versions."""

    def __init__(self) -> None:
        super().__init__()
        self.spoil: dict[int, Callable[[Bundle], Bundle]] = {}

    def load(self, version: ModelVersion) -> Bundle:
        bundle = super().load(version)
        spoil = self.spoil.get(version.number)
        return spoil(bundle) if spoil else bundle


class FullStore(MemoryStore):
    """A store that refuses new versions while it is full."""

    full = False

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        if self.full:
            raise Unavailable("memory: no space left")
        return super().save(name, bundle, created_at, details)


class FlakyRun(MemoryRun):
    """A run whose tracker becomes unavailable at one of its methods."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        self._fail("log_params")

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        self._fail("log_metrics")

    def log_artifact(self, name: str, content: bytes) -> None:
        self._fail("log_artifact")

    def log_tags(self, tags: Mapping[str, str]) -> None:
        self._fail("log_tags")

    def _fail(self, step: str) -> None:
        if self.name == step:
            raise Unavailable(f"tracker is gone at {step}")


class FlakyTracker(MemoryTracker):
    """A tracker that becomes unavailable at one step."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step

    @contextmanager
    def run(
        self,
        name: str,
        params: Mapping[str, Any],
        data: DatasetVersion,
        *,
        title: str = "",
        parent: str = "",
    ) -> Iterator[MemoryRun]:
        if self.step == "open":
            raise Unavailable("tracker is gone at open")
        with super().run(name, params, data, title=title, parent=parent) as run:
            yield FlakyRun(run.id, self.step, run.params, data)
        if self.step == "close" and not parent:
            raise Unavailable("tracker is gone at close")


@dataclass(frozen=True)
class Skewed:
    """A predictor with a relative error of a millionth."""

    sound: LinearPredictor

    def predict(self, matrix: Matrix) -> Vector:
        return self.sound.predict(matrix) * (1 + 1e-6)


class SkewedRuntime(MemoryRuntime):
    """A runtime whose serving form fails the parity check."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        return Skewed(super().load(schema, files))


@dataclass(frozen=True)
class Gapless:
    """A predictor with other predictions for rows with missing values."""

    sound: LinearPredictor

    def predict(self, matrix: Matrix) -> Vector:
        return self.sound.predict(matrix) * np.where(np.isnan(matrix).any(axis=1), 1.01, 1.0)


class GaplessRuntime(MemoryRuntime):
    """A runtime whose serving form fails the parity check for rows with missing values."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Any:
        return Gapless(super().load(schema, files))


def with_file(name: str, content: bytes) -> Callable[[Bundle], Bundle]:
    """Return a function that replaces a file of a bundle."""
    return lambda bundle: Bundle({**bundle.files, name: content})


def split_of(spec: TrainingSpec, holdout: float, seed: int) -> TrainingSpec:
    """Return the specification with another split."""
    return TrainingSpec(spec.estimator, spec.parameters, Split(holdout, seed))
