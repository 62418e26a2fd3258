"""Asking an exported graph directly, without the encoding of features before it."""

from typing import Any

import numpy as np
import onnxruntime

from adapters.sklearn.serving_form import onnx_graph
from domain.data.feature import Vector
from domain.data.schema import Matrix


def ask(content: bytes, columns: Matrix) -> Vector:
    """Return what a graph answers, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (answers,) = session.run(["prediction"], {"features": np.ascontiguousarray(columns)})
    return np.asarray(answers)


def exported(estimator: Any, columns: Matrix) -> Vector:
    """Return what the exported form of a fitted estimator answers."""
    return ask(onnx_graph(estimator, columns.shape[1]), columns)
