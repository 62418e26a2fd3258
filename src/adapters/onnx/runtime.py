"""Loads the serving form of a bundle into ONNX Runtime."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from application.ports import Predictor
from domain.errors import ArtefactRejected, Misconfigured
from domain.features import FeatureEncoding
from domain.model import ENCODING, NUMERIC
from domain.schema import Matrix, Schema

_INPUT = "features"
_FATAL_ONLY = 4


class OnnxRuntime:
    """Makes predictors of `features.json` and `model.onnx`, without scikit-learn or pandas."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Predictor:
        """Return a predictor.

        Raises:
            ArtefactRejected: the files are not a model for this schema.
        """
        lacking = [name for name in (ENCODING, NUMERIC) if name not in files]
        if lacking:
            raise ArtefactRejected(f"the bundle has no {', '.join(lacking)}")
        encoding = _read_encoding(schema, files[ENCODING])
        session = _open_session(files[NUMERIC])
        width = session.get_inputs()[0].shape[-1]
        if width != len(encoding.names):
            raise ArtefactRejected(
                f"{NUMERIC} takes {width} columns where {ENCODING} makes {len(encoding.names)}"
            )
        return OnnxPredictor(encoding, session)


class OnnxPredictor:
    """Answers with a model in ONNX Runtime."""

    def __init__(self, encoding: FeatureEncoding, session: Any) -> None:
        self._encoding = encoding
        self._session = session

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return one prediction per row of `matrix`, shape (rows, features)."""
        if not len(matrix):
            return np.empty(0)
        columns = self._encoding.transform(matrix)
        (predictions,) = self._session.run(None, {_INPUT: columns})
        return np.asarray(predictions, dtype=np.float64)


def _read_encoding(schema: Schema, content: bytes) -> FeatureEncoding:
    try:
        return FeatureEncoding.from_mapping(schema, json.loads(content))
    except (ValueError, Misconfigured) as error:
        raise ArtefactRejected(f"{ENCODING} cannot be read: {error}") from error


def _open_session(model: bytes) -> Any:
    """Open a session that answers on the caller's thread.

    With one thread, trees are added in one order whatever the number of rows: a row's answer is
    the same to the last bit alone and in a batch. Work is spread over cores by chunks instead.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ArtefactRejected(f"{NUMERIC} is not a model that can be run: {error}") from error
