"""The estimator is kept without pickle, as the same bytes each time, and read with suspicion."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from adapters.sklearn.sklearn_learner import PIPELINE, SklearnLearner
from adapters.sklearn.skops_file import TRUSTED_TYPES, canonical, dump, load
from domain.errors import ArtefactRejected
from domain.training.specification import Estimator, Parameter, TrainingSpec
from tests.integration.contracts.rows import labelled
from tests.integration.contracts.runtime import Bomb
from tests.integration.sklearn.specs import QUICK
from tests.support.samples import SCHEMA

# Whatever may be asked of an estimator must not bring in types that are not trusted.
FORMS: tuple[tuple[Estimator, dict[str, Parameter]], ...] = (
    *((kind, dict(spec.parameters)) for kind, spec in QUICK.items()),
    (Estimator.DUMMY, {"strategy": "quantile", "quantile": 0.3}),
    (Estimator.LINEAR, {"positive": True}),
    (Estimator.RIDGE, {"solver": "saga"}),
    (Estimator.TREE, {"criterion": "absolute_error", "max_features": "sqrt"}),
    (Estimator.TREE, {"ccp_alpha": 0.5}),
    (Estimator.RANDOM_FOREST, {"n_estimators": 50, "oob_score": True}),
    (Estimator.HIST_GRADIENT_BOOSTING, {"max_iter": 5, "loss": "absolute_error"}),
    (Estimator.HIST_GRADIENT_BOOSTING, {"max_iter": 5, "loss": "quantile", "quantile": 0.9}),
    (Estimator.HIST_GRADIENT_BOOSTING, {"max_iter": 5, "max_features": 0.4}),
    (Estimator.HIST_GRADIENT_BOOSTING, {"max_iter": 5, "interaction_cst": "pairwise"}),
    (Estimator.HIST_GRADIENT_BOOSTING, {"max_iter": 5, "early_stopping": True}),
    (
        Estimator.HIST_GRADIENT_BOOSTING,
        {"max_iter": 5, "early_stopping": True, "scoring": "neg_mean_absolute_error"},
    ),
)


@pytest.mark.parametrize(("kind", "parameters"), FORMS, ids=str)
def test_every_estimator_is_read_back_as_it_was(
    kind: Estimator, parameters: dict[str, Parameter]
) -> None:
    trained = SklearnLearner().fit(TrainingSpec(kind, parameters), SCHEMA, *labelled())
    content = trained.files[PIPELINE]
    kept: Any = load(content)
    columns = trained.predictor.encoding.transform(labelled(seed=4)[0])  # type: ignore[attr-defined]
    expected = trained.predictor.predict(labelled(seed=4)[0])
    assert kept.predict(columns).tobytes() == expected.tobytes()
    assert dump(kept) == content


def test_only_two_types_are_trusted_beyond_what_skops_trusts() -> None:
    needed: set[str] = set()
    for spec in QUICK.values():
        content = SklearnLearner().fit(spec, SCHEMA, *labelled()).files[PIPELINE]
        needed |= {*skops.io.get_untrusted_types(data=content)}
    assert needed == {*TRUSTED_TYPES}


@pytest.fixture(scope="module")
def content() -> bytes:
    spec = QUICK[Estimator.HIST_GRADIENT_BOOSTING]
    return SklearnLearner().fit(spec, SCHEMA, *labelled()).files[PIPELINE]


def test_a_file_holds_nothing_of_when_and_where_it_was_written(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        names = archive.namelist()
        schema = json.loads(archive.read("schema.json"))
    assert names == sorted(names)
    assert {*names} == {f"{n:06d}.npy" for n in range(1, len(names))} | {"schema.json"}
    assert canonical(content) == content
    numbers = sorted({*_ids(schema)})
    assert numbers == list(range(1, len(numbers) + 1))


def _ids(node: Any) -> list[int]:
    if isinstance(node, dict):
        found = [node["__id__"]] if isinstance(node.get("__id__"), int) else []
        return found + [number for value in node.values() for number in _ids(value)]
    return [number for item in node for number in _ids(item)] if isinstance(node, list) else []


def test_what_the_memory_held_before_does_not_get_into_a_file() -> None:
    """Between the fields of a tree's nodes lies whatever was there before the tree."""
    spec = QUICK[Estimator.TREE]
    files = set()
    for fill in range(6):
        junk = [np.full(size, fill * 37, dtype=np.uint8) for size in range(500, 40_000, 700)]
        del junk
        files.add(SklearnLearner().fit(spec, SCHEMA, *labelled()).files[PIPELINE])
    assert len(files) == 1


def _rewritten(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return a skops file with another schema."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(target, "w") as archive,
    ):
        schema = json.loads(source.read("schema.json"))
        change(schema)
        archive.writestr("schema.json", json.dumps(schema))
        for name in source.namelist():
            if name != "schema.json":
                archive.writestr(name, source.read(name))
    return target.getvalue()


def _system(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the node of a call of `os.system`, as skops writes a function."""
    return {
        "__class__": "system",
        "__module__": os.system.__module__,
        "__loader__": "FunctionNode",
        "__id__": 9_999_999,
        "content": {"module_path": os.system.__module__, "function": "system"},
    }


def _hide_a_function(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["l2_regularization"] = _system(schema)


def _hide_it_and_trust_it(schema: dict[str, Any]) -> None:
    _hide_a_function(schema)
    schema["trusted"] = [f"{os.system.__module__}.system"]
    schema["content"]["trusted"] = True


def _take_another_class(schema: dict[str, Any]) -> None:
    schema["__class__"], schema["__module__"] = "Popen", "subprocess"


def _take_the_class_of_another_library(schema: dict[str, Any]) -> None:
    schema["__class__"], schema["__module__"] = "Bomb", "tests.integration.contracts.runtime"


@pytest.mark.parametrize(
    "change",
    [
        _hide_a_function,
        _hide_it_and_trust_it,
        _take_another_class,
        _take_the_class_of_another_library,
    ],
)
def test_a_type_that_is_not_trusted_is_refused_wherever_it_hides(
    content: bytes, change: Callable[[dict[str, Any]], None]
) -> None:
    with pytest.raises(ArtefactRejected, match="cannot be loaded: Untrusted types found"):
        load(_rewritten(content, change))


def test_a_rewritten_file_is_refused_for_its_types_only(content: bytes) -> None:
    assert load(_rewritten(content, lambda _: None)).n_features_in_ == 7


def test_a_pipeline_that_calls_a_function_is_refused() -> None:
    honest = skops.io.dumps(make_pipeline(FunctionTransformer(func=os.path.exists)))
    with pytest.raises(ArtefactRejected, match="Untrusted types found"):
        load(honest)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_was_cut_off_is_refused(content: bytes, share: float) -> None:
    with pytest.raises(ArtefactRejected, match="the skops file cannot be loaded: "):
        load(content[: int(len(content) * share)])


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    with pytest.raises(ArtefactRejected, match="the skops file cannot be loaded: "):
        load(pickle.dumps(Bomb(tmp_path / "mark")))
    assert not (tmp_path / "mark").exists()


def test_a_pickle_in_place_of_an_array_is_refused_and_not_run(
    content: bytes, tmp_path: Path
) -> None:
    objects = io.BytesIO()
    np.save(objects, np.array([Bomb(tmp_path / "mark")], dtype=object), allow_pickle=True)
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(target, "w") as archive,
    ):
        for name in source.namelist():
            is_array = name.endswith(".npy")
            archive.writestr(name, objects.getvalue() if is_array else source.read(name))
    with pytest.raises(ArtefactRejected, match="the skops file cannot be loaded: "):
        load(target.getvalue())
    assert not (tmp_path / "mark").exists()
