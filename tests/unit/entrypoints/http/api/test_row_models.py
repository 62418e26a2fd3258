import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema, Target
from domain.errors import InvalidRows
from entrypoints.http.api.row_models import RowsRequest, feature_table, row_model
from entrypoints.http.app import Application
from tests.support.json_schema import fits
from tests.support.orchard import orchard
from tests.support.samples import SCHEMA
from tests.support.strategies import features, schemas, values

LENGTH = Feature(
    "length", Kind.NUMBER, "m", low=0.5, high=12.0, description="How long it is", example=4.5
)
COUNT = Feature("count", Kind.INTEGER, nullable=True)
COLOUR = Feature("colour", Kind.CATEGORY, categories=("red", "blue"), nullable=True)
FLAG = Feature("flag", Kind.BOOLEAN)


def row_schema(schema: Schema) -> dict[str, Any]:
    return row_model(schema).model_json_schema()


ROW = row_schema(Schema("things", Target("y"), (LENGTH, COUNT, COLOUR, FLAG)))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return Application(orchard(max_rows=500)).api_for(SCHEMA).openapi()


def test_a_number_is_described_with_unit_range_and_example() -> None:
    assert ROW["properties"]["length"] == {
        "title": "Length",
        "type": "number",
        "description": ("How long it is. Unit: m. Allowed: a number from 0.5 to 12 (m)."),
        "minimum": 0.5,
        "maximum": 12.0,
        "examples": [4.5],
    }


def test_a_nullable_feature_may_be_null_or_absent() -> None:
    assert ROW["properties"]["count"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
    (colour, null) = ROW["properties"]["colour"]["anyOf"]
    assert (colour["enum"], null) == (["red", "blue"], {"type": "null"})
    assert ROW["required"] == ["length", "flag"]


def test_a_boolean_is_a_boolean_and_other_fields_are_rejected() -> None:
    assert ROW["properties"]["flag"]["type"] == "boolean"
    assert ROW["additionalProperties"] is False


@given(schemas())
def test_every_example_fits_its_own_description(schema: Schema) -> None:
    row = row_schema(schema)
    assert fits(row["example"], row)
    for described in row["properties"].values():
        assert all(fits(example, described) for example in described.get("examples", []))


@given(st.data())
def test_the_description_allows_what_the_schema_allows(data: st.DataObject) -> None:
    feature = data.draw(features())
    other = data.draw(features())
    schema = Schema("s", Target("y"), (feature,))
    record = data.draw(
        st.just({})
        | st.fixed_dictionaries({"x": values(feature) | values(other)})
        | st.dictionaries(st.sampled_from(["x", "z"]), values(other))
    )
    try:
        schema.encode_records([record])
        allowed = True
    except InvalidRows:
        allowed = False
    assert fits(record, row_schema(schema)) is allowed


@given(st.lists(st.integers() | st.none(), max_size=3))
def test_a_request_passes_rows_on_as_they_are(rows: list[Any]) -> None:
    assert RowsRequest.model_validate({"data": rows}).data == rows


def test_a_request_is_a_list_of_rows_of_bounded_length(document: dict[str, Any]) -> None:
    data = document["components"]["schemas"]["PredictRequest"]["properties"]["data"]
    assert (data["minItems"], data["description"]) == (1, "At most 500 rows.")
    assert data["items"] == {"$ref": "#/components/schemas/Row"}


def test_the_prediction_is_described_with_target_and_unit(document: dict[str, Any]) -> None:
    answer = document["components"]["schemas"]["PredictResponse"]
    assert "yield in kg" in answer["properties"]["predictions"]["description"]
    assert answer["required"] == ["predictions", "model"]


def test_the_operation_has_an_example_and_names_every_error(document: dict[str, Any]) -> None:
    operation = document["paths"]["/predict"]["post"]
    (content,) = operation["requestBody"]["content"].values()
    assert content["example"] == {"data": [SCHEMA.example]}
    assert {*operation["responses"]} == {
        *("200", "400", "401", "403", "408", "413", "415", "422", "429", "503")
    }
    for status in ("400", "413", "415", "422", "503"):
        assert [*operation["responses"][status]["content"]] == ["application/problem+json"]


def test_every_operation_may_need_a_key_unless_it_tells_the_health(
    document: dict[str, Any],
) -> None:
    operations = {
        path: operation
        for path, methods in document["paths"].items()
        for operation in methods.values()
    }
    open_paths = {path for path, operation in operations.items() if "security" not in operation}
    assert open_paths == {
        *("/health", "/health/live", "/health/ready", "/ping", "/version"),
        *("/v2/health/live", "/v2/health/ready"),
        *("/v2/models/{model}/ready", "/v2/models/{model}/versions/{version}/ready"),
    }
    assert operations["/predict"]["security"] == [{"bearer": []}, {"key": []}, {}]
    assert {*document["components"]["securitySchemes"]} == {"bearer", "key"}
    assert not any("HTTPValidationError" in json.dumps(each) for each in operations.values())


def test_the_features_are_a_table_with_their_units(document: dict[str, Any]) -> None:
    table = document["paths"]["/predict"]["post"]["requestBody"]["description"]
    assert table.splitlines()[:3] == [
        "| field | allowed | meaning |",
        "| --- | --- | --- |",
        "| height | a number from 0.5 to 12 (m) |  |",
    ]


def test_no_text_of_a_schema_is_markup() -> None:
    odd = Feature("a|b_c", Kind.CATEGORY, categories=("<1H", "`x`"), description="two\nlines *x*")
    table = feature_table(Schema("s", Target("y"), (odd,)))
    assert table.splitlines()[2] == (r"| a\|b\_c | one of '&lt;1H', '\`x\`' | two lines \*x\* |")


@pytest.mark.parametrize("name", ["model_config", "_private", "schema", "a|b_c", "class", "data"])
def test_a_feature_may_have_any_name(name: str) -> None:
    schema = Schema("s", Target("y"), (Feature(name, Kind.NUMBER),))
    assert [*row_schema(schema)["properties"]] == [name]


def test_before_there_is_a_model_a_row_is_any_object() -> None:
    early = Application(orchard()).api().openapi()
    assert not early["components"]["schemas"]["Row"].get("properties")
    assert early["components"]["schemas"]["Row"]["additionalProperties"] is True
    (content,) = early["paths"]["/predict"]["post"]["requestBody"]["content"].values()
    assert "example" not in content


@pytest.mark.parametrize("schema", [SCHEMA, None])
def test_every_reference_leads_somewhere(schema: Schema | None) -> None:
    described = Application(orchard()).api_for(schema).openapi()
    text = json.dumps(described)
    for part in text.split('"$ref": "#/components/schemas/')[1:]:
        assert part.partition('"')[0] in described["components"]["schemas"]
