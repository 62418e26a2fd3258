"""A prediction service as most people write it: FastAPI, pandas and a joblib pipeline."""

import os
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

from tests.benchmarks.peers.pipeline import FEATURES

pipeline = joblib.load(os.environ["PIPELINE"])
app = FastAPI()


class Row(BaseModel):
    """One block group."""

    longitude: float
    latitude: float
    housing_median_age: float
    total_rooms: float
    total_bedrooms: float | None = None
    population: float
    households: float
    median_income: float
    ocean_proximity: str


class Rows(BaseModel):
    """What is posted."""

    data: list[Row]


@app.post("/predict")
def predict(rows: Rows) -> dict[str, Any]:
    """Return one prediction per row."""
    frame = pd.DataFrame([row.model_dump() for row in rows.data], columns=FEATURES)
    return {"predictions": pipeline.predict(frame).tolist()}
