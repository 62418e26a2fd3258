"""A process that trains: `python -m … [CSV]`, on a small table, or on the reference data.

It prints, by estimator, the identity of the bundle that was registered.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from adapters.arrow.csv_source import CsvSource
from adapters.filesystem.schema_file import read_schema
from adapters.memory import (
    MemoryBundleCache,
    MemoryLedger,
    MemorySource,
    MemoryStore,
    MemoryTracker,
)
from adapters.onnx.runtime import OnnxRuntime
from adapters.sklearn.learner import SklearnLearner
from application.appointing import Appoint
from application.judging import Judge
from application.loading import LoadModel
from application.ports import DataSource, ModelStore
from application.train_model import TrainingReport, TrainModel
from domain.gate import PromotionPolicy
from domain.model import ModelVersion
from domain.schema import Schema
from domain.training import TrainingSpec
from entrypoints.wiring import builders
from tests.integration.contracts.samples import SCHEMA, sample_table
from tests.integration.sklearn_learner.specs import QUICK

SCHEMA_FILE = Path(__file__).parents[3] / "data" / "housing.toml"


def train(
    store: ModelStore, source: DataSource, schema: Schema, spec: TrainingSpec
) -> TrainingReport:
    """Train as the program does, with what is tried here, and the rest in memory."""
    use_case = TrainModel(
        SklearnLearner(),
        OnnxRuntime(),
        MemoryTracker(),
        Judge(LoadModel(store, builders.runtime()), PromotionPolicy()),
        Appoint(store, MemoryLedger(), MemoryBundleCache(), lambda: datetime.now(UTC), "a test"),
        lambda: datetime.now(UTC),
        {"revision": "abc"},
    )
    return use_case(source, schema, spec)


def _described(store: ModelStore, version: ModelVersion) -> dict[str, object]:
    manifest = store.load(version).verified(version.bundle_id)
    return {"bundle": version.bundle_id, "files": dict(manifest.files)}


def main(csv: str | None) -> None:
    store, told = MemoryStore(), {}
    if csv:
        report = train(store, CsvSource(Path(csv)), read_schema(SCHEMA_FILE), TrainingSpec())
        told["default"] = _described(store, report.version)
    else:
        for kind, spec in QUICK.items():
            report = train(store, MemorySource(sample_table(600)), SCHEMA, spec)
            told[kind.value] = _described(store, report.version)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
