from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from adapters.formats.manifest_file import read_manifest
from application.scoring.explain_rows import ExplainRows, LoadExplainer
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected, InvalidRows, NotSupported, TooLarge
from domain.scoring.explanation import FeatureContributions
from tests.fakes.model import MemoryExplainer, MemoryExplainers
from tests.support.followers import FragileCache
from tests.support.houses import DUMMY, HOUSES, RIDGE, World

ROWS: list[dict[str, Any]] = [
    {"age": 10.0, "rooms": 3, "place": "sea"},
    {"age": None, "rooms": 5, "place": "land"},
]


class Counting(MemoryExplainers):
    """Explainers that count how often one is loaded."""

    loaded = 0

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> MemoryExplainer:
        self.loaded += 1
        return super().load(schema, files)


class Wrong:
    """Explainers of another model."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> "Wrong":
        return self

    def explain(self, matrix: Matrix) -> FeatureContributions:
        return FeatureContributions(1.0, np.ones(matrix.shape))


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


def test_a_model_that_looks_at_nothing_owes_nothing_to_any_feature() -> None:
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


def test_a_broken_cache_is_passed_by() -> None:
    cache = FragileCache()
    world = World(cache=cache)
    world.train(RIDGE)
    cache.broken = True
    assert len(explaining(world, Counting())(ROWS).to_mappings()) == 2


def test_an_explanation_of_another_model_is_refused() -> None:
    world = World()
    world.train(RIDGE)
    with pytest.raises(ArtefactRejected, match=r"not of the model that answers"):
        explaining(world, Wrong())(ROWS)


def test_rows_are_refused_as_for_a_prediction() -> None:
    world = World()
    world.train(RIDGE)
    explain = explaining(world, Counting())
    with pytest.raises(InvalidRows):
        explain([{**ROWS[0], "place": "moon"}])
    with pytest.raises(TooLarge):
        explain(ROWS * 6)


def test_what_is_not_installed_is_told() -> None:
    def missing() -> Counting:
        raise NotSupported("shap is not installed")

    world = World()
    world.train(RIDGE)
    load = LoadExplainer(world.store, world.cache, missing, read_manifest)
    with pytest.raises(NotSupported, match=r"shap is not installed"):
        ExplainRows(lambda: world.load(HOUSES), load, 10)(ROWS)
