"""The default model as most people would write it: pandas in, one scikit-learn pipeline."""

from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

TARGET = "median_house_value"
CATEGORY = "ocean_proximity"
NUMBERS = [
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
]
FEATURES = [*NUMBERS, CATEGORY]
RATIOS = {
    "rooms_per_household": ("total_rooms", "households"),
    "bedrooms_per_room": ("total_bedrooms", "total_rooms"),
    "population_per_household": ("population", "households"),
}


def add_ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the ratio columns; numbers may come as integers or with gaps."""
    frame = frame.astype(dict.fromkeys(NUMBERS, float))
    return frame.assign(**{name: frame[a] / frame[b] for name, (a, b) in RATIOS.items()})


def build(hyper_parameters: dict[str, Any]) -> Pipeline:
    """Return the pipeline, not yet fitted."""
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), NUMBERS),
            ("category", OneHotEncoder(handle_unknown="ignore", sparse_output=False), [CATEGORY]),
            ("ratios", SimpleImputer(strategy="median"), [*RATIOS]),
        ]
    )
    return Pipeline(
        [
            ("ratios", FunctionTransformer(add_ratios)),
            ("columns", columns),
            ("model", HistGradientBoostingRegressor(**hyper_parameters)),
        ]
    )
