"""Request and response models of the native API, generated from the schema of the served model.

`RowsRequest` validates the options of a request; the domain validates its rows
(`Schema.encode_records`). The models of a schema describe them in the OpenAPI document.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import SkipJsonSchema

from domain.data.feature import Feature, Kind
from domain.data.schema import Schema
from domain.scoring.prediction import PredictionOptions
from entrypoints.http.request_body import RequestModel

_SPECIAL = re.compile(r"[\\`*_{}\[\]#|~&]")
_TYPES: dict[Kind, Any] = {Kind.NUMBER: float, Kind.INTEGER: int, Kind.BOOLEAN: bool}


class RowsRequest(RequestModel):
    """Rows to predict, and options."""

    data: list[Any]
    interval: float | None = Field(
        default=None,
        description="Level of an interval to answer around each prediction.",
        examples=[0.9],
        # The model decides which levels it supports.
        json_schema_extra={"minimum": 0.5, "maximum": 0.99},
    )
    extrapolates: bool = Field(
        default=False,
        description="Whether to list the features by which a row is out of the applicability "
        "domain.",
    )

    @property
    def options(self) -> PredictionOptions:
        """The options of the request."""
        return PredictionOptions(self.interval, self.extrapolates)


_AnyRow: type[BaseModel] = create_model("Row", __config__=ConfigDict(extra="allow"))


@dataclass(frozen=True, slots=True)
class RowModels:
    """The models for one schema; before there is a model a row is any object."""

    predict_request: type[RowsRequest]
    predict_response: type[BaseModel]
    explain_request: type[RowsRequest]
    explain_response: type[BaseModel]


def row_models(schema: Schema | None, max_rows: int, max_explained: int) -> RowModels:
    """Return the models for a schema and the limits of rows per request."""
    row = _AnyRow if schema is None else row_model(schema)
    return RowModels(
        _request("PredictRequest", row, max_rows),
        _predict_response(schema),
        _request("ExplainRequest", row, max_explained),
        _explain_response(schema),
    )


def row_model(schema: Schema) -> type[BaseModel]:
    """Return the model of one row."""
    # A feature may have a name that is no name of Python: it is the alias of the field.
    fields: dict[str, Any] = {
        f"feature_{position}": (_type(feature), _field(feature))
        for position, feature in enumerate(schema.features)
    }
    example: dict[str, Any] = {"example": schema.example}
    config = ConfigDict(extra="forbid", title=schema.name, json_schema_extra=example)
    return create_model("Row", __config__=config, **fields)


def feature_table(schema: Schema) -> str:
    """Return the features with what is allowed as a Markdown table."""
    lines = ["| field | allowed | meaning |", "| --- | --- | --- |"]
    for feature in schema.features:
        cells = (feature.name, feature.allowed, feature.description)
        lines.append(f"| {' | '.join(map(_escaped, cells))} |")
    return "\n".join(lines)


def _type(feature: Feature) -> Any:
    category = feature.kind is Kind.CATEGORY
    kind: Any = Literal.__getitem__(feature.categories) if category else _TYPES[feature.kind]
    return kind | None if feature.nullable else kind


def _field(feature: Feature) -> Any:
    unit = f"Unit: {feature.unit}" if feature.unit else ""
    sentences = (feature.description, unit, f"Allowed: {feature.allowed}")
    bounds = {"minimum": feature.low, "maximum": feature.high}
    return Field(
        default=None if feature.nullable else ...,
        alias=feature.name,
        description=" ".join(f"{each.rstrip('.')}." for each in sentences if each),
        examples=None if feature.example is None else [feature.example],
        json_schema_extra={name: bound for name, bound in bounds.items() if bound is not None},
    )


def _request(name: str, row: Any, max_rows: int) -> type[RowsRequest]:
    # No maxItems: more rows are no invalid document, but too many (413).
    limits = Field(description=f"At most {max_rows:,} rows.", json_schema_extra={"minItems": 1})
    return create_model(name, __base__=RowsRequest, data=(list[row], limits))


def _predict_response(schema: Schema | None) -> type[BaseModel]:
    target = schema.target if schema else None
    unit = f" in {target.unit}" if target and target.unit else ""
    name = target.name if target else "the target"
    described = Field(description=f"Predicted {name}{unit}, one per row, in the order given.")
    return _response("PredictResponse", predictions=(list[float], described))


def _explain_response(schema: Schema | None) -> type[BaseModel]:
    fields: dict[str, Any] = {
        f"feature_{position}": (float, Field(alias=name))
        for position, name in enumerate(schema.names if schema else ())
    }
    contributions = create_model(
        "Contributions", __config__=ConfigDict(extra="forbid" if schema else "allow"), **fields
    )
    explanation = create_model(
        "Explanation",
        base=(float, Field(description="The prediction without any feature.")),
        contributions=(
            contributions,
            Field(description="What each feature adds to the base, in units of the target."),
        ),
        prediction=(float, Field(description="The sum of all: what /predict answers.")),
    )
    described = Field(description="One per row, in the order given.")
    return _response("ExplainResponse", explanations=(list[explanation], described))


def _response(name: str, **first: Any) -> type[BaseModel]:
    intervals = Field(
        default=None,
        description="With `interval`: lower and upper bound per row, which hold the true value "
        "with the probability of the level.",
    )
    extrapolates = Field(
        default=None,
        description="With `extrapolates`: per row the features by which it is out of the "
        "applicability domain.",
    )
    bounds: Any = Annotated[list[float], Field(min_length=2, max_length=2)]
    absent: Any = SkipJsonSchema[None]  # type: ignore[misc]
    return create_model(
        name,
        **first,
        intervals=(list[bounds] | absent, intervals),
        extrapolates=(list[list[str]] | absent, extrapolates),
        model=(str, Field(description="The model version.", examples=["housing/7"])),
    )


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split())).replace("<", "&lt;")
