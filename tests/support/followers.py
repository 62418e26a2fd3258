"""Stores, caches and a clock that can fail, for tests of a server that follows a reference."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from adapters.formats.manifest_file import read_manifest
from application.model.load_model import LoadModel
from application.ports import BundleCache
from application.serving.served_model import ServedModel
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.errors import Unavailable
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef, ModelVersion
from tests.fakes.model import LinearPredictor, MemoryBundleCache
from tests.support.houses import ALWAYS, HOUSES, SpoiledStore, World

RETRY_AFTER = timedelta(minutes=1)


class Clock:
    """A clock that moves only when it is put forward."""

    def __init__(self) -> None:
        self.now = ALWAYS

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta = RETRY_AFTER) -> None:
        self.now += by


class DistantStore(SpoiledStore):
    """A store that counts loads and can be unreachable, completely or for bundles only."""

    def __init__(self) -> None:
        super().__init__()
        self.down = self.bundles_down = False
        self.loads = 0

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Make the store reachable within the block."""
        before = self.down, self.bundles_down
        self.down = self.bundles_down = False
        try:
            yield
        finally:
            self.down, self.bundles_down = before

    def resolve(self, ref: ModelRef) -> ModelVersion:
        if self.down:
            raise Unavailable("the registry is down")
        return super().resolve(ref)

    def load(self, version: ModelVersion) -> Bundle:
        self.loads += 1
        if self.down or self.bundles_down:
            raise Unavailable("the bundles are down")
        return super().load(version)


class FragileCache(MemoryBundleCache):
    """A cache that can be broken."""

    broken = False

    def get(self, bundle_id: str) -> Bundle | None:
        self._require()
        return super().get(bundle_id)

    def keep(self, ref: ModelRef, version: ModelVersion, bundle: Bundle) -> None:
        self._require()
        super().keep(ref, version, bundle)

    def last_good(self, ref: ModelRef) -> ModelVersion | None:
        self._require()
        return super().last_good(ref)

    def _require(self) -> None:
        if self.broken:
            raise Unavailable("the cache is broken")


@dataclass(frozen=True)
class Watched:
    """A predictor that weak references can watch."""

    sound: LinearPredictor

    def predict(self, matrix: Matrix) -> Vector:
        return self.sound.predict(matrix)


@dataclass(frozen=True)
class NoSingleRows:
    """A predictor that fails for a single row, so that only the golden rows pass."""

    sound: LinearPredictor

    def predict(self, matrix: Matrix) -> Vector:
        if len(matrix) == 1:
            raise ZeroDivisionError("no single rows")
        return self.sound.predict(matrix)


def follow(world: World, cache: BundleCache | None = None, clock: Any = None) -> ServedModel:
    """Return the served model of a world, not yet refreshed."""
    load = LoadModel(world.store, world.runtime, read_manifest)
    return ServedModel(load, HOUSES, cache or MemoryBundleCache(), clock or Clock(), RETRY_AFTER)
