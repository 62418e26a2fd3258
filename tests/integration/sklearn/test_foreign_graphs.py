"""Graphs that are sound ONNX but no model of this kind, or sound in all but one place."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from adapters.onnx.onnx_runtime import OnnxRuntime
from adapters.sklearn.sklearn_learner import SklearnLearner
from domain.errors import ArtefactRejected
from domain.model.bundle import GRAPH
from domain.training.specification import Estimator
from tests.integration.contracts.rows import labelled, pool
from tests.integration.sklearn.specs import QUICK
from tests.support.samples import SCHEMA

WIDTH = 7


@pytest.fixture(scope="module")
def files() -> Mapping[str, bytes]:
    return SklearnLearner().fit(QUICK[Estimator.LINEAR], SCHEMA, *labelled()).files


def _sum(
    *,
    name: str = "features",
    width: int | str = WIDTH,
    kind: int = TensorProto.DOUBLE,
    keep: bool = False,
    copies: int = 1,
    weights: TensorProto | None = None,
) -> bytes:
    """Return a graph that adds up the columns of a row, weighted by one or by `weights`."""
    outputs = [f"prediction{copy or ''}" for copy in range(copies)]
    one = weights or numpy_helper.from_array(np.ones(1, _TYPES[kind]), "weights")
    graph = helper.make_graph(
        [
            helper.make_node("Mul", [name, "weights"], ["terms"]),
            *(
                helper.make_node("ReduceSum", ["terms", "axis"], [output], keepdims=int(keep))
                for output in outputs
            ),
        ],
        "sum",
        [helper.make_tensor_value_info(name, kind, ["rows", width])],
        [
            helper.make_tensor_value_info(output, kind, ["rows", 1] if keep else ["rows"])
            for output in outputs
        ],
        [numpy_helper.from_array(np.array([1]), "axis"), one],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


_TYPES: Mapping[int, type] = {TensorProto.DOUBLE: np.float64, TensorProto.FLOAT: np.float32}


def test_a_graph_of_another_maker_that_takes_and_gives_the_same_is_welcome(
    files: Mapping[str, bytes],
) -> None:
    predictor = OnnxRuntime().load(SCHEMA, {**files, GRAPH: _sum()})
    assert predictor.predict(pool()).shape == (len(pool()),)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (_sum(name="rows_of_features"), "is not a model that can be run: .*rows_of_features"),
        (_sum(kind=TensorProto.FLOAT), "is not a model that can be run: .*tensor.float"),
        (_sum(width=3), "takes 3 columns where features.json makes 7"),
        (_sum(width="any"), "takes any columns where features.json makes 7"),
        (_sum(keep=True), "does not answer with one float64 per row"),
        (_sum(copies=2), "does not answer with one float64 per row"),
        (_sum().replace(b"ReduceSum", b"Reduce\xff\xfem"), "is not a model that can be run"),
        (_sum().replace(b"ReduceSum", b"ReduceSup"), "is not a model that can be run"),
    ],
    ids=[
        *["input of another name", "float32", "too narrow", "of any width", "a column"],
        *["two answers", "a name that is no text", "an unknown operator"],
    ],
)
def test_a_graph_that_takes_or_gives_something_else_is_rejected_in_silence(
    files: Mapping[str, bytes], content: bytes, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ArtefactRejected, match=f"^{GRAPH} {why}"):
        OnnxRuntime().load(SCHEMA, {**files, GRAPH: content})
    assert capfd.readouterr() == ("", "")


def test_a_graph_without_input_is_rejected(files: Mapping[str, bytes]) -> None:
    constant = numpy_helper.from_array(np.zeros(2), "value")
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["prediction"], value=constant)],
        "constant",
        [],
        [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    with pytest.raises(ArtefactRejected, match=f"^{GRAPH} is not a model that can be run"):
        OnnxRuntime().load(SCHEMA, {**files, GRAPH: model.SerializeToString()})


@pytest.mark.parametrize("absolute", [True, False])
def test_a_graph_that_reads_another_file_is_rejected(
    files: Mapping[str, bytes], absolute: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones(1).tobytes())
    monkeypatch.chdir(tmp_path)
    weights = TensorProto(
        name="weights",
        data_type=TensorProto.DOUBLE,
        dims=[1],
        data_location=TensorProto.EXTERNAL,
        external_data=[
            onnx.StringStringEntryProto(
                key="location", value=str(secret) if absolute else secret.name
            )
        ],
    )
    with pytest.raises(ArtefactRejected, match=f"^{GRAPH} is not a model that can be run"):
        OnnxRuntime().load(SCHEMA, {**files, GRAPH: _sum(weights=weights)})
