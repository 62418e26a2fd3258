"""A container of fakes, with a model of the orchard."""

from dependency_injector import providers

from domain.model.reference import ModelRef
from domain.training.specification import Estimator, TrainingSpec
from entrypoints.wiring.container import Container, build_container
from entrypoints.wiring.settings import Settings
from tests.fakes.data import MemorySink, MemorySource
from tests.fakes.model import MemoryBundleCache, MemoryExplainers, MemoryRuntime, MemoryStore
from tests.fakes.tracking import MemoryLedger, MemoryTracker
from tests.fakes.training import MemoryLearner
from tests.support.samples import NAME, SCHEMA, sample_table

ORCHARD = ModelRef(NAME)


def orchard(store: MemoryStore | None = None, **settings: object) -> Container:
    """Return a container for the orchard, without a model."""
    wired = build_container(Settings.model_validate({"model": NAME, **settings}))
    held = providers.Object(store or MemoryStore())
    wired.store.override(held)
    wired.bundle_cache.override(providers.Object(MemoryBundleCache()))
    wired.tracker.override(providers.Object(MemoryTracker()))
    wired.learner.override(providers.Object(MemoryLearner()))
    wired.ledger.override(providers.Object(MemoryLedger()))
    wired.explainers.override(providers.Object(MemoryExplainers()))
    wired.served_explainers.override(providers.Object(MemoryExplainers()))
    wired.runtime.override(providers.Object(MemoryRuntime()))
    wired.graph_runtime.override(providers.Object(MemoryRuntime()))
    wired.schema.override(providers.Object(SCHEMA))
    wired.source.override(providers.Object(MemorySource(sample_table())))
    wired.sink.override(providers.Object(MemorySink()))
    return wired


def train(wired: Container, estimator: Estimator = Estimator.LINEAR) -> None:
    """Train a model of the orchard; it becomes champion if it is better."""
    wired.train_model()(wired.source(), wired.schema(), TrainingSpec(estimator))


def planted(**settings: object) -> Container:
    """Return a container for the orchard, with a champion."""
    wired = orchard(None, **settings)
    train(wired)
    return wired
