"""The promise of the default specification, and what becomes of a bundle that was tampered with."""

import io
import json
import pickletools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest

from adapters.filesystem.file_model_store import FileStore
from adapters.formats.manifest_file import read_manifest
from adapters.onnx.onnx_runtime import OnnxRuntime
from adapters.sklearn.sklearn_learner import PIPELINE, EstimatorPredictor
from adapters.sklearn.skops_file import load
from application.model.load_model import GOLDEN, LoadModel
from application.ports import Predictor
from application.training.train_model import TrainingReport
from domain.data.schema import Schema
from domain.errors import ArtefactRejected
from domain.features.encoding import ENCODING, FeatureEncoding
from domain.features.neighbour_statistics import NEIGHBOURS
from domain.model.bundle import GRAPH, TREES, Bundle
from domain.model.golden_rows import GoldenRows
from domain.model.reference import ModelRef
from domain.model.tree_ensemble import TreeEnsemble
from domain.training.specification import Estimator, TrainingSpec
from tests.fakes.data import MemorySource
from tests.integration.sklearn.conftest import Housing
from tests.integration.sklearn.specs import QUICK
from tests.integration.sklearn.training import train
from tests.support.samples import CREATED, NAME, SCHEMA, sample_table


@dataclass
class WatchedRuntime(OnnxRuntime):
    """A runtime that tells how often it was given files to parse."""

    loads: list[Mapping[str, bytes]] = field(default_factory=list)

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Predictor:
        self.loads.append(files)
        return super().load(schema, files)


@dataclass(frozen=True)
class Default:
    """What training the default specification on the reference data came to."""

    store: FileStore
    report: TrainingReport


@pytest.fixture(scope="module")
def default(housing: Housing, tmp_path_factory: pytest.TempPathFactory) -> Default:
    store = FileStore(tmp_path_factory.mktemp("models"))
    return Default(store, train(store, housing.source, housing.schema, TrainingSpec()))


def test_the_default_is_as_good_as_promised(default: Default) -> None:
    metrics = default.report.metrics
    assert metrics.rows == 4_128
    assert metrics.rmse <= 39_000
    assert metrics.r2 >= 0.88
    assert default.report.decision.promoted


def test_the_manifest_records_that_the_serving_form_is_exact(default: Default) -> None:
    version = default.report.version
    manifest = default.store.load(version).verified(version.bundle_id, read_manifest)
    assert manifest.parity == 0.0
    assert manifest.metrics == default.report.metrics
    assert manifest.training.estimator == "hist_gradient_boosting"
    assert manifest.training.features == "spatial"
    assert cast(int, manifest.training.parameters["max_iter"]) <= 500
    assert cast(int, manifest.training.parameters["max_leaf_nodes"]) <= 64
    assert {"scikit-learn", "onnx", "onnxruntime", "skops", "numpy"} <= {*manifest.libraries}
    assert {*manifest.files} == {
        *(ENCODING, NEIGHBOURS, GRAPH, TREES, PIPELINE, GOLDEN, "profile.json"),
    }


def test_the_registered_model_answers_every_holdout_row_as_the_kept_estimator(
    default: Default, housing: Housing
) -> None:
    files = default.store.load(default.report.version).files
    encoding = FeatureEncoding.from_files(housing.schema, files)
    kept = EstimatorPredictor(encoding, load(files[PIPELINE]), housing.schema.target)
    champion = LoadModel(default.store, OnnxRuntime(), read_manifest)(ModelRef("housing"))
    rows = housing.rows.holdout.matrix
    assert champion.predictor.predict(rows).tobytes() == kept.predict(rows).tobytes()


def test_a_linear_model_records_the_rounding_of_its_serving_form(tmp_path: Path) -> None:
    store, source = FileStore(tmp_path), MemorySource(sample_table(400))
    version = train(store, source, SCHEMA, QUICK[Estimator.LINEAR]).version
    assert 0.0 < store.load(version).verified(version.bundle_id, read_manifest).parity <= 1e-12


@pytest.fixture
def trained(tmp_path: Path) -> tuple[FileStore, TrainingReport]:
    store, source = FileStore(tmp_path), MemorySource(sample_table(400))
    return store, train(store, source, SCHEMA, QUICK[Estimator.HIST_GRADIENT_BOOSTING])


@pytest.mark.parametrize("name", [GRAPH, ENCODING, PIPELINE])
def test_a_file_that_was_tampered_with_is_rejected_before_it_is_parsed(
    trained: tuple[FileStore, TrainingReport], tmp_path: Path, name: str
) -> None:
    store, report = trained
    file = tmp_path / "bundles" / report.version.bundle_id / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)
    runtime = WatchedRuntime()
    with pytest.raises(ArtefactRejected, match=f"^{NAME}/1: {name} was changed: its SHA-256"):
        LoadModel(store, runtime, read_manifest)(ModelRef(NAME))
    assert runtime.loads == []


def test_a_model_exchanged_together_with_its_checksum_is_rejected_before_it_is_parsed(
    trained: tuple[FileStore, TrainingReport], tmp_path: Path
) -> None:
    store, report = trained
    bundle = store.load(report.version)
    manifest = bundle.verified(report.version.bundle_id, read_manifest)
    files = {n: c for n, c in bundle.files.items() if n != Bundle.MANIFEST}
    forged = Bundle.seal(manifest, {**files, GRAPH: b"another model"})
    folder = tmp_path / "bundles" / report.version.bundle_id
    for name in (GRAPH, Bundle.MANIFEST):
        (folder / name).chmod(0o600)
        (folder / name).write_bytes(forged.files[name])
    runtime = WatchedRuntime()
    with pytest.raises(ArtefactRejected, match=r"manifest\.json is not the one"):
        LoadModel(store, runtime, read_manifest)(ModelRef(NAME))
    assert runtime.loads == []


def test_a_registered_model_that_answers_like_another_is_rejected_by_its_golden_rows(
    trained: tuple[FileStore, TrainingReport],
) -> None:
    store, report = trained
    bundle = store.load(report.version)
    other = train(store, MemorySource(sample_table(400)), SCHEMA, QUICK[Estimator.TREE])
    files = {n: c for n, c in bundle.files.items() if n != Bundle.MANIFEST}
    files[GRAPH] = store.load(other.version).files[GRAPH]
    sealed = Bundle.seal(bundle.verified(report.version.bundle_id, read_manifest), files)
    version = store.save(NAME, sealed, CREATED, {})
    with pytest.raises(
        ArtefactRejected, match=f"^{version.label}: golden rows: predictions differ"
    ):
        LoadModel(store, OnnxRuntime(), read_manifest).version(version)


@pytest.mark.parametrize("width", [2, 5])
def test_golden_rows_of_another_width_are_rejected(
    trained: tuple[FileStore, TrainingReport], width: int
) -> None:
    store, report = trained
    bundle = store.load(report.version)
    files = {n: c for n, c in bundle.files.items() if n != Bundle.MANIFEST}
    files[GOLDEN] = GoldenRows(np.ones((3, width)), np.ones(3)).to_bytes()
    sealed = Bundle.seal(bundle.verified(report.version.bundle_id, read_manifest), files)
    version = store.save(NAME, sealed, CREATED, {})
    why = rf"golden\.json has rows of {width} features where the schema has 4"
    with pytest.raises(ArtefactRejected, match=f"^{version.label}: {why}"):
        LoadModel(store, OnnxRuntime(), read_manifest).version(version)


def _is_pickle(content: bytes) -> bool:
    try:
        return sum(1 for _ in pickletools.genops(content)) > 1
    except (ValueError, UnicodeDecodeError):
        return False


def _inert(name: str, content: bytes) -> bool:
    """Whether a file is of one of the forms that cannot hold code."""
    assert not _is_pickle(content), name
    match name.rpartition(".")[2]:
        case "json":
            json.loads(content)
        case "npy":
            np.load(io.BytesIO(content), allow_pickle=False)
        case "onnx":
            onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
        case "skops":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = {member: archive.read(member) for member in archive.namelist()}
            assert {member.rpartition(".")[2] for member in members} <= {"json", "npy"}
            assert all(_inert(member, part) for member, part in members.items())
        case "safetensors":
            return TreeEnsemble.from_bytes(content, name).to_bytes() == content
        case _:
            return False
    return True


@pytest.mark.parametrize("kind", Estimator)
def test_a_bundle_holds_no_pickle_and_nothing_of_an_unknown_form(
    kind: Estimator, tmp_path: Path
) -> None:
    store = FileStore(tmp_path)
    report = train(store, MemorySource(sample_table(400)), SCHEMA, QUICK[kind])
    files = store.load(report.version).files
    assert len(files) == (7 if kind is Estimator.HIST_GRADIENT_BOOSTING else 6)
    assert [name for name, content in files.items() if not _inert(name, content)] == []
    for content in files.values():
        assert b"joblib" not in content
        assert b"pickle" not in content
        assert b"cloudpickle" not in content
