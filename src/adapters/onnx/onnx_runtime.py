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
    """Return the numeric model over `width` columns.

    Raises:
        ArtefactRejected: its graph is not one that can be run.
    """
    session = _open_session(require_file(files, GRAPH), width)

    def score(columns: Matrix) -> Vector:
        (answers,) = session.run(None, {_INPUT: columns})
        return np.asarray(answers, dtype=np.float64)

    return score


def _open_session(model: bytes, width: int) -> Any:
    """Open a session that answers on the caller's thread, and has proven that it can.

    With one thread, trees are added in one order whatever the number of rows: a row's answer is
    the same to the last bit alone and in a batch. Work is spread over cores by chunks instead.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    with _rejecting_what_fails():
        session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], enable_fallback=_NO_FALLBACK
        )
        taken = session.get_inputs()[0].shape[-1]
    if taken != width:
        raise ArtefactRejected(f"{GRAPH} takes {taken} columns where {ENCODING} makes {width}")
    with _rejecting_what_fails():
        answers = [np.asarray(a) for a in session.run(None, {_INPUT: np.zeros((_PROBED, width))})]
    if [(a.shape, a.dtype) for a in answers] != [((_PROBED,), np.dtype(np.float64))]:
        raise ArtefactRejected(f"{GRAPH} does not answer with one float64 per row")
    return session


@contextmanager
def _rejecting_what_fails() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ArtefactRejected(f"{GRAPH} is not a model that can be run: {error}") from error
