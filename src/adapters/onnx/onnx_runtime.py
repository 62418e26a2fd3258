"""Opens the graphs of a bundle in ONNX Runtime."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime

from application.model.serving_form import ScoreColumns, ServingFormRuntime, require_file
from application.ports import Predictor
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected
from domain.features.encoding import ENCODING
from domain.model.bundle import GRAPH

_INPUT = "features"
_FATAL_ONLY = 4
_NO_FALLBACK = 0
_PROBED = 2


class OnnxRuntime:
    """Makes predictors of `features.json` and `model.onnx`, without scikit-learn or pandas."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Predictor:
        """Return a predictor.

        Raises:
            ArtefactRejected: the files are not a model for this schema.
        """
        return ServingFormRuntime(open_graph).load(schema, files)


def open_graph(files: Mapping[str, bytes], width: int) -> ScoreColumns:
    """Return the function of the ONNX graph, which takes `width` columns.

    Raises:
        ArtefactRejected: the graph cannot be run.
    """
    session = _open_session(require_file(files, GRAPH), width)

    def score(columns: Matrix) -> Vector:
        (predictions,) = session.run(None, {_INPUT: columns})
        return np.asarray(predictions, dtype=np.float64)

    return score


def _open_session(model: bytes, width: int) -> Any:
    """Open a session that runs on the caller's thread, and test it.

    With one thread, trees are added in one order for any number of rows: the prediction of a row
    has the same bits alone and in a batch. Chunks are distributed over cores instead.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    with _errors_reject():
        session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], enable_fallback=_NO_FALLBACK
        )
        taken = session.get_inputs()[0].shape[-1]
    if taken != width:
        raise ArtefactRejected(f"{GRAPH} takes {taken} columns where {ENCODING} makes {width}")
    with _errors_reject():
        outputs = [np.asarray(a) for a in session.run(None, {_INPUT: np.zeros((_PROBED, width))})]
    if [(a.shape, a.dtype) for a in outputs] != [((_PROBED,), np.dtype(np.float64))]:
        raise ArtefactRejected(f"{GRAPH} does not answer with one float64 per row")
    return session


@contextmanager
def _errors_reject() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ArtefactRejected(f"{GRAPH} is not a model that can be run: {error}") from error
