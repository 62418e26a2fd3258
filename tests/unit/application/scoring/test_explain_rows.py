from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adapters.formats.manifest_file import read_manifest
from application.model.load_model import LoadModel
from application.scoring.explain_rows import ExplainRows, LoadExplainer
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.errors import ArtefactRejected, InvalidRows, NotSupported, TooLarge
from domain.features.encoding import FeatureEncoding
from domain.scoring.explanation import FeatureContributions
from tests.fakes.model import CountingRuntime, MemoryExplainer, MemoryExplainers
from tests.support.followers import FragileCache
from tests.support.houses import DUMMY, HOUSES, RIDGE, World

ROWS: list[dict[str, Any]] = [
    {"age": 10.0, "rooms": 3, "place": "sea"},
    {"age": None, "rooms": 5, "place": "land"},
]


class Counting(MemoryExplainers):
    """Explainers that count their loads."""

    loaded = 0

    def load(self, encoding: FeatureEncoding, files: Mapping[str, bytes]) -> MemoryExplainer:
        self.loaded += 1
        return super().load(encoding, files)


class Wrong:
    """Explainers of another model."""

    def load(self, encoding: FeatureEncoding, files: Mapping[str, bytes]) -> "Wrong":
        return self

    def explain(self, columns: Matrix) -> FeatureContributions:
        return FeatureContributions(1.0, np.ones((len(columns), 3)))


def explaining(world: World, explainers: Counting | Wrong) -> ExplainRows:
    load = LoadExplainer(world.store, world.cache, lambda: explainers, read_manifest)
    return ExplainRows(lambda: world.load(HOUSES), load, 10)


def test_contributions_add_up_to_the_predictions_by_feature() -> None:
    world = World()
    world.train(RIDGE)
    answer = explaining(world, Counting())(ROWS)
    for row, value in zip(answer.to_mappings(), answer.predictions.values, strict=True):
        assert list(row) == ["base", "contributions", "prediction"]
        assert list(row["contributions"]) == ["age", "rooms", "place"]
        assert row["base"] + sum(row["contributions"].values()) == pytest.approx(value)
        assert row["prediction"] == value
    assert answer.predictions.model == "houses/1"


def test_the_features_of_a_constant_model_contribute_nothing() -> None:
    world = World()
    world.train(DUMMY)
    answer = explaining(world, Counting())(ROWS)
    assert not answer.explained.contributions.any()


def test_an_explainer_is_loaded_once_for_each_model() -> None:
    world, explainers = World(), Counting()
    world.train(DUMMY)
    explain = explaining(world, explainers)
    explain(ROWS)
    explain(ROWS)
    assert explainers.loaded == 1
    world.train(RIDGE)
    assert explain(ROWS).predictions.model == "houses/2"
    assert explainers.loaded == 2


def test_a_broken_cache_is_ignored() -> None:
    cache = FragileCache()
    world = World(cache=cache)
    world.train(RIDGE)
    cache.broken = True
    assert len(explaining(world, Counting())(ROWS).to_mappings()) == 2


def test_an_explanation_of_another_model_is_refused() -> None:
    world = World()
    world.train(RIDGE)
    with pytest.raises(ArtefactRejected, match=r"explanation is of another model"):
        explaining(world, Wrong())(ROWS)


def test_rows_are_validated_as_for_a_prediction() -> None:
    world = World()
    world.train(RIDGE)
    explain = explaining(world, Counting())
    with pytest.raises(InvalidRows):
        explain([{**ROWS[0], "place": "moon"}])
    with pytest.raises(TooLarge):
        explain(ROWS * 6)


def test_work_that_is_not_wanted_any_more_ends_after_a_few_rows() -> None:
    world, checks = World(), 0

    def require_wanted() -> None:
        nonlocal checks
        checks += 1
        if checks == 2:
            raise InterruptedError

    world.train(RIDGE)
    explain = explaining(world, Counting())
    with pytest.raises(InterruptedError):
        explain(ROWS * 5, require_wanted=require_wanted)
    assert checks == 2
    together = explain(ROWS * 5).to_mappings()
    assert together == explain(ROWS).to_mappings() * 5


def test_missing_libraries_are_not_supported() -> None:
    def missing() -> Counting:
        raise NotSupported("shap is not installed")

    world = World()
    world.train(RIDGE)
    load = LoadExplainer(world.store, world.cache, missing, read_manifest)
    with pytest.raises(NotSupported, match=r"shap is not installed"):
        ExplainRows(lambda: world.load(HOUSES), load, 10)(ROWS)


def test_each_row_is_encoded_once() -> None:
    world, runtime = World(), CountingRuntime()
    world.train(RIDGE)
    model = LoadModel(world.store, runtime, read_manifest)(HOUSES)
    explain = ExplainRows(
        lambda: model, LoadExplainer(world.store, world.cache, Counting, read_manifest), 10
    )
    before = runtime.encoded_rows
    explain(ROWS)
    assert runtime.encoded_rows == before + len(ROWS)


def test_a_predictor_without_an_encoding_is_not_explained() -> None:
    world = World()
    world.train(RIDGE)
    model = replace(world.load(HOUSES), predictor=Bare())
    load = LoadExplainer(world.store, world.cache, Counting, read_manifest)
    with pytest.raises(NotSupported):
        ExplainRows(lambda: model, load, 10)(ROWS)


class Bare:
    """A predictor that only predicts."""

    def predict(self, matrix: Matrix) -> Vector:
        return np.zeros(len(matrix))
