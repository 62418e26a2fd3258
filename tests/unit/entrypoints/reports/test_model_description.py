import json

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema, Target
from entrypoints.reports.model_description import describe_features, describe_model
from tests.support.orchard import ORCHARD, planted


def test_a_model_is_described_by_what_it_is_and_what_made_it() -> None:
    wired = planted()
    model = wired.load_model()(ORCHARD)
    described = describe_model(model)
    assert described["model"] == "orchard/1"
    assert described["aliases"] == ["champion"]
    assert described["target"] == {"name": "yield", "unit": "kg"}
    assert described["metrics"]["rmse"] == model.manifest.metrics.rmse
    assert described["training"]["estimator"] == "linear"
    assert described["data"]["sha256"] == wired.source().version.sha256
    assert described["derived"] == [{"name": "growth", "is": "height / age"}]
    assert described["origin"] == {"data.uri": "memory:", "run": "run-1"}
    assert [feature["name"] for feature in described["features"]] == list(
        model.manifest.schema.names
    )


def test_a_description_is_plain_json() -> None:
    described = describe_model(planted().load_model()(ORCHARD))
    assert json.loads(json.dumps(described, allow_nan=False)) == described


def test_features_say_what_they_allow() -> None:
    schema = Schema(
        "s", Target("y"), (Feature("x", Kind.INTEGER, "m", low=2, nullable=True, description="X"),)
    )
    assert describe_features(schema) == [
        {
            "name": "x",
            "kind": "integer",
            "allowed": "an integer of at least 2 (m), or nothing",
            "description": "X",
        }
    ]
