from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from adapters.formats.manifest_file import read_manifest
from application.data.labelled_rows import read_labelled
from application.model.load_model import LoadModel
from application.promotion.compare_candidates import CompareCandidates, LoadedCandidate
from domain.data.feature import Vector
from domain.data.schema import Coordinates, Matrix, Schema
from domain.data.split import Split
from domain.promotion.candidate import Candidate
from domain.promotion.policy import PromotionPolicy
from tests.fakes.model import LinearPredictor, MemoryRuntime
from tests.support.houses import HOUSES, SCHEMA, World, source

MAPPED = replace(SCHEMA, coordinates=Coordinates("age", "rooms"))


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Caching:
    """Takes 1 ms for a row at a cached location, and 9 ms for others."""

    inner: LinearPredictor
    clock: Clock
    cached: set[tuple[float, ...]] = field(default_factory=set)

    def predict(self, matrix: Matrix) -> Vector:
        for location in map(tuple, matrix[:, :2].tolist()):
            self.clock.now += 0.001 if location in self.cached else 0.009
            self.cached.add(location)
        return self.inner.predict(matrix)


@dataclass
class CachingRuntime:
    """A `Runtime` of such predictors."""

    clock: Clock

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Caching:
        return Caching(MemoryRuntime().load(schema, files), self.clock)


def test_latency_is_measured_at_cached_and_at_new_locations() -> None:
    data = source(changed={"age": np.linspace(1.0, 99.0, 60)})
    world = World()
    version = world.train(data=data, schema=MAPPED).version
    clock = Clock()
    load = LoadModel(world.store, CachingRuntime(clock), read_manifest)
    bundle = world.store.load(version)
    manifest = bundle.verified(version.bundle_id, read_manifest)
    holdout = read_labelled(data, MAPPED).divide(Split()).holdout
    challenger = LoadedCandidate("the challenger", manifest, bundle, load(HOUSES).predictor)
    challenger.predictor.predict(holdout.matrix)

    policy = PromotionPolicy(latency_ms=5.0)
    compared = CompareCandidates(load, policy, clock)(challenger, None, holdout)
    (check,) = [check for check in compared.decision.checks if check.name == "latency"]
    assert check.figures == pytest.approx({"row_ms": 1.0, "new_location_ms": 9.0, "budget_ms": 5.0})
    assert not compared.decision.promoted

    against = CompareCandidates(load, policy, clock)(challenger, version, holdout)
    assert isinstance(against.champion, Candidate)
    assert against.champion.row_ms == pytest.approx(1.0)
    assert against.champion.new_location_ms == pytest.approx(9.0)
