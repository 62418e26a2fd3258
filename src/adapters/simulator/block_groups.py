"""Block groups that follow the equation of Pace and Barry.

R. K. Pace and R. Barry, "Sparse spatial autoregressions", Statistics & Probability Letters 33
(1997), 291-297: the logarithm of the median house value by least squares on the 1990 census.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adapters.simulator.california import REGIONS, locations, ocean_proximity

Vector: TypeAlias = NDArray[Any]

COEFFICIENTS = {
    "intercept": 11.4939,
    "income": 0.4790,
    "income²": -0.0166,
    "income³": -0.0002,
    "ln age": 0.1570,
    "ln rooms/population": -0.8582,
    "ln bedrooms/population": 0.8043,
    "ln population/households": -0.4077,
    "ln households": 0.0477,
}
RESIDUAL = 0.356

_SHARES = np.cumsum([region.share for region in REGIONS])
_INCOME_ABOVE = np.array([region.income for region in REGIONS])
_DEVIATES = 9


def regressors(columns: Mapping[str, Vector]) -> Vector:
    """Return what the coefficients are multiplied by, in their order; shape (rows, 9)."""
    income, population = columns["median_income"], columns["population"]
    households = columns["households"]
    return np.column_stack(
        [
            np.ones(len(income)),
            income,
            income**2,
            income**3,
            np.log(columns["housing_median_age"]),
            np.log(columns["total_rooms"] / population),
            np.log(columns["total_bedrooms"] / population),
            np.log(population / households),
            np.log(households),
        ]
    )


def draw(rows: int, random: np.random.Generator) -> tuple[dict[str, Vector], NDArray[np.bool_]]:
    """Return the columns of random block groups, and in which rows the bedrooms are known.

    Marginals and correlations are near those of the census. The value is not capped, and no
    bedrooms are missing yet; `ocean_proximity` has positions in `OCEAN_PROXIMITY`.
    """
    region = np.searchsorted(_SHARES / _SHARES[-1], random.random(rows), side="right")
    known = random.random(rows) >= 0.01
    normal = random.standard_normal((_DEVIATES, rows))
    latitude, longitude = locations(region, normal[:2])
    wealth = normal[2]
    income = np.exp(1.24 + _INCOME_ABOVE[region] + 0.42 * wealth)
    age = np.clip(np.round(28.8 - 1.8 * wealth - 3.0 * normal[3] + 13.0 * normal[4]), 1, 52)
    households = _count(np.exp(6.0 + 0.7 * normal[3]))
    bedrooms = _count(households * np.exp(0.06 + 0.09 * normal[6]))
    rooms = households * np.exp(1.63 + 0.15 * wealth + 0.1 * normal[6] + 0.15 * normal[7])
    columns = {
        "longitude": longitude,
        "latitude": latitude,
        "housing_median_age": age,
        "total_rooms": np.maximum(_count(rooms), bedrooms + 1),
        "total_bedrooms": bedrooms,
        "population": _count(households * np.exp(1.05 - 0.04 * normal[3] + 0.25 * normal[5])),
        "households": households,
        "median_income": np.round(np.clip(income, 0.4999, 15.0001), 4),
    }
    expected = regressors(columns) @ [*COEFFICIENTS.values()]
    columns["median_house_value"] = np.exp(expected + RESIDUAL * normal[8])
    columns["ocean_proximity"] = ocean_proximity(latitude, longitude)
    return columns, known


def _count(expected: Vector) -> Vector:
    """Return whole numbers of at least one."""
    return np.maximum(np.round(expected), 1.0)
