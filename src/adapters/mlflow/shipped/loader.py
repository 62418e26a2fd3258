"""The entry point of a model in MLflow: MLflow imports it by name and calls `_load_pyfunc`.

It is part of every saved model, with the modules that it needs (see `pyfunc_package`), and runs in
programs without modelport. There it wires the adapters, so it may import several of them. This
folder is not a package: nothing in modelport imports it.
"""

from pathlib import Path
from typing import Any

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.pandas_model import FrameModel
from adapters.onnx.onnx_runtime import OnnxRuntime
from application.model.load_model import open_bundle
from domain.model.bundle import Bundle


def _load_pyfunc(data_path: str, model_config: dict[str, Any]) -> FrameModel:
    """Return the model of the bundle, after all checks."""
    files = {file.name: file.read_bytes() for file in Path(data_path).iterdir()}
    opened = open_bundle(Bundle(files), model_config["bundle"], OnnxRuntime(), read_manifest)
    return FrameModel(opened.manifest.schema, opened.predictor)
