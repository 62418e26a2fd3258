"""A process that trains: `python -m … [CSV]`, on a small table, or on the reference data.

It prints, by estimator, the identity of the bundle that was registered.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from adapters.arrow.reading.csv_source import CsvSource
from adapters.formats.manifest_file import read_manifest
from adapters.formats.schema_toml import read_schema
from adapters.onnx.onnx_runtime import OnnxRuntime
from adapters.sklearn.sklearn_learner import SklearnLearner
from application.model.load_model import LoadModel
from application.ports import DataSource, ModelStore
from application.promotion.compare_candidates import CompareCandidates
from application.promotion.set_champion import SetChampion
from application.training.train_model import TrainingReport, TrainModel
from domain.data.schema import Schema
from domain.model.manifest import CodeVersion
from domain.model.reference import ModelVersion
from domain.promotion.policy import PromotionPolicy
from domain.training.specification import TrainingSpec
from entrypoints.reports.model_card import render_reports
from entrypoints.wiring import builders
from tests.fakes.data import MemorySource
from tests.fakes.model import MemoryBundleCache, MemoryStore
from tests.fakes.tracking import MemoryLedger, MemoryTracker
from tests.integration.sklearn.specs import QUICK
from tests.support.samples import SCHEMA, sample_table

SCHEMA_FILE = Path(__file__).parents[3] / "data" / "housing.toml"


def train(
    store: ModelStore, source: DataSource, schema: Schema, spec: TrainingSpec
) -> TrainingReport:
    """Train as the program does, with what is tried here, and the rest in memory."""
    use_case = TrainModel(
        SklearnLearner(),
        OnnxRuntime(),
        MemoryTracker(),
        CompareCandidates(LoadModel(store, builders.runtime(), read_manifest), PromotionPolicy()),
        SetChampion(
            store, MemoryLedger(), MemoryBundleCache(), lambda: datetime.now(UTC), "a test"
        ),
        lambda: datetime.now(UTC),
        CodeVersion(revision="abc"),
        render_reports,
    )
    return use_case(source, schema, spec)


def _described(store: ModelStore, version: ModelVersion) -> dict[str, object]:
    manifest = store.load(version).verified(version.bundle_id, read_manifest)
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
