"""A bundle that the previous release made loads, and answers the same bits."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from adapters.formats.manifest_file import read_manifest
from application.model.load_model import open_bundle
from application.ports import Runtime
from domain.data.feature import Vector
from domain.features.encoding import ENCODING, FeatureEncoding
from domain.features.neighbour_parameters import UNRECORDED
from domain.model.bundle import Bundle
from entrypoints.wiring import builders

FOLDER = Path(__file__).parents[1] / "fixtures" / "previous_release"
FILES = {file.name: file.read_bytes() for file in (FOLDER / "bundle").iterdir()}
ANSWERS = json.loads((FOLDER / "answers.json").read_bytes())
ROWS = np.array(ANSWERS["inputs"], dtype=np.float64)  # null becomes NaN


def _floats(name: str) -> Vector:
    return np.array([float.fromhex(text) for text in ANSWERS[name]])


@pytest.mark.parametrize("runtime", [builders.runtime, builders.graph_runtime])
def test_predictions_and_intervals_have_the_bits_that_were_recorded(
    runtime: Callable[[], Runtime],
) -> None:
    opened = open_bundle(Bundle(FILES), ANSWERS["bundle"], runtime(), read_manifest)
    predictions = opened.predictor.predict(ROWS)
    assert len({*predictions.tolist()}) > 40
    assert predictions.tobytes() == _floats("predictions").tobytes()
    assert opened.intervals is not None
    bounds = opened.intervals.bounds(ROWS, predictions, ANSWERS["level"])
    assert bounds.lower.tobytes() == _floats("lower").tobytes()
    assert bounds.upper.tobytes() == _floats("upper").tobytes()


def test_unrecorded_parameters_are_those_of_that_release() -> None:
    assert "neighbours" not in json.loads(FILES[ENCODING])
    schema = read_manifest(FILES[Bundle.MANIFEST]).schema
    encoding = FeatureEncoding.from_files(schema, FILES)
    assert encoding.neighbour_statistics is not None
    assert encoding.neighbour_statistics.parameters == UNRECORDED
    columns = encoding.transform(ROWS).astype("<f8").tobytes()
    assert sha256(columns).hexdigest() == ANSWERS["columns"]


def test_the_manifest_has_the_bytes_that_were_recorded() -> None:
    assert read_manifest(FILES[Bundle.MANIFEST]).to_bytes() == FILES[Bundle.MANIFEST]
