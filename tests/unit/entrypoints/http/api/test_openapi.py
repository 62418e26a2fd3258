import json
from typing import Any

from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema, Target
from domain.errors import InvalidRows
from entrypoints.http.api.openapi import openapi_document, row_schema
from tests.support.json_schema import fits
from tests.support.samples import SCHEMA
from tests.support.strategies import features, schemas, values

LENGTH = Feature(
    "length", Kind.NUMBER, "m", low=0.5, high=12.0, description="How long it is", example=4.5
)
COUNT = Feature("count", Kind.INTEGER, nullable=True)
COLOUR = Feature("colour", Kind.CATEGORY, categories=("red", "blue"), nullable=True)
FLAG = Feature("flag", Kind.BOOLEAN)
ROW = row_schema(Schema("things", Target("y"), (LENGTH, COUNT, COLOUR, FLAG)))


def document(schema: Schema | None) -> dict[str, Any]:
    return openapi_document(FastAPI(title="t", version="1"), schema, 500, 50)


def test_a_number_is_described_with_unit_range_and_example() -> None:
    assert ROW["properties"]["length"] == {
        "type": "number",
        "description": ("How long it is. Unit: m. Allowed: a number from 0.5 to 12 (m)."),
        "minimum": 0.5,
        "maximum": 12.0,
        "examples": [4.5],
    }


def test_a_nullable_feature_may_be_null_or_left_out() -> None:
    assert ROW["properties"]["count"]["type"] == ["integer", "null"]
    assert ROW["properties"]["colour"]["enum"] == ["red", "blue", None]
    assert ROW["required"] == ["length", "flag"]


def test_a_boolean_is_a_boolean_and_other_fields_are_refused() -> None:
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


def test_a_request_is_a_list_of_rows_of_bounded_length() -> None:
    schemas_ = document(SCHEMA)["components"]["schemas"]
    data = schemas_["PredictRequest"]["properties"]["data"]
    assert (data["minItems"], data["maxItems"]) == (1, 500)
    assert data["items"] == {"$ref": "#/components/schemas/Row"}
    assert schemas_["Row"] == row_schema(SCHEMA)


def test_the_prediction_is_described_with_target_and_unit() -> None:
    answer = document(SCHEMA)["components"]["schemas"]["PredictResponse"]
    assert "yield in kg" in answer["properties"]["predictions"]["description"]
    assert answer["required"] == ["predictions", "model"]


def test_the_operation_has_an_example_and_says_every_error() -> None:
    operation = document(SCHEMA)["paths"]["/predict"]["post"]
    (content,) = operation["requestBody"]["content"].values()
    assert content["example"] == {"data": [SCHEMA.example]}
    assert {*operation["responses"]} == {
        *("200", "400", "401", "403", "408", "413", "415", "422", "429", "503")
    }
    for status in ("400", "413", "415", "422", "503"):
        assert [*operation["responses"][status]["content"]] == ["application/problem+json"]


def test_the_fields_stand_beside_the_example_with_their_units() -> None:
    table = document(SCHEMA)["paths"]["/predict"]["post"]["requestBody"]["description"]
    assert table.splitlines()[:3] == [
        "| field | allowed | meaning |",
        "| --- | --- | --- |",
        "| height | a number from 0.5 to 12 (m) |  |",
    ]


def test_no_text_of_a_schema_is_markup() -> None:
    odd = Feature("a|b_c", Kind.CATEGORY, categories=("<1H", "`x`"), description="two\nlines *x*")
    schema = Schema("s", Target("y"), (odd,))
    table = document(schema)["paths"]["/predict"]["post"]["requestBody"]["description"]
    assert table.splitlines()[2] == (r"| a\|b\_c | one of '&lt;1H', '\`x\`' | two lines \*x\* |")


def test_before_there_is_a_model_a_row_is_any_object() -> None:
    early = document(None)
    assert early["components"]["schemas"]["Row"] == {"type": "object"}
    (content,) = early["paths"]["/predict"]["post"]["requestBody"]["content"].values()
    assert "example" not in content


def test_every_reference_leads_somewhere() -> None:
    for schema in (SCHEMA, None):
        described = document(schema)
        text = json.dumps(described)
        for part in text.split('"$ref": "#/components/schemas/')[1:]:
            assert part.partition('"')[0] in described["components"]["schemas"]
