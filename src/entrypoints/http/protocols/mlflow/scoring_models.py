"""Request and response of MLflow's scoring protocol, as the OpenAPI document describes them."""

from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from entrypoints.http.protocols.mlflow.scoring_payload import FORMS

Cell: TypeAlias = float | str | bool | None


class DataframeSplit(BaseModel):
    """Rows as lists, and the names of their columns."""

    columns: list[str] = []
    data: list[list[Cell]]
    index: list[Cell] = []


class MlflowRequest(BaseModel):
    """One of the forms of MLflow."""

    model_config = ConfigDict(
        json_schema_extra={
            "description": f"One of {', '.join(FORMS)}. Columns that are not features are ignored."
        }
    )

    dataframe_split: DataframeSplit | SkipJsonSchema[None] = None
    dataframe_records: list[dict[str, Any]] | SkipJsonSchema[None] = Field(
        default=None, description="Rows as objects."
    )
    instances: list[dict[str, Any] | list[Any]] | SkipJsonSchema[None] = Field(
        default=None, description="Rows as objects, or as lists in the order of the schema."
    )
    inputs: dict[str, Any] | list[dict[str, Any] | list[Any]] | SkipJsonSchema[None] = Field(
        default=None, description="Lists of values by column, or as `instances`."
    )
    params: dict[str, Any] | None = Field(default=None, description="Ignored.")


class MlflowResponse(BaseModel):
    """Predictions in the order of the rows."""

    predictions: list[float]
