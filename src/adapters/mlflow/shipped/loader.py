"""The entry point of a model in MLflow: MLflow imports it by name and calls `_load_pyfunc`.

It is part of every saved model, with the modules that it needs (see `pyfunc_package`), and runs in
programs without modelport. There it wires the adapters, so it may import several of them. This
folder is not a package: nothing in modelport imports it.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.pandas_model import FrameModel
from adapters.onnx.onnx_runtime import open_graph
from application.model.load_model import open_bundle
from application.model.serving_form import ScoreColumns, ServingFormRuntime
from domain.features.neighbour_statistics import LocationStatistics, NeighbourStatistics
from domain.model.bundle import TREES, Bundle


def _load_pyfunc(data_path: str, model_config: dict[str, Any]) -> FrameModel:
    """Return the model of the bundle, after all checks."""
    files = {file.name: file.read_bytes() for file in Path(data_path).iterdir()}
    runtime = ServingFormRuntime(_open_serving_form, _location_statistics)
    opened = open_bundle(Bundle(files), model_config["bundle"], runtime, read_manifest)
    return FrameModel(opened.manifest.schema, opened.predictor)


def _open_serving_form(files: Mapping[str, bytes], width: int) -> ScoreColumns:
    """Open trees in compiled code if llvmlite is installed, everything else in ONNX Runtime."""
    if TREES in files and find_spec("llvmlite"):
        from adapters.llvm.tree_runtime import open_trees

        return open_trees(files, width)
    return open_graph(files, width)


def _location_statistics(statistics: NeighbourStatistics) -> LocationStatistics:
    """Neighbour statistics in compiled code if llvmlite is installed."""
    if not find_spec("llvmlite"):
        return statistics.compute
    from adapters.llvm.neighbour_runtime import compile_statistics

    return compile_statistics(statistics)
