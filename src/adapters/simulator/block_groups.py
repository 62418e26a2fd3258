"""Block groups that follow the equation of Pace and Barry.

R. K. Pace and R. Barry, "Sparse spatial autoregressions", Statistics & Probability Letters 33
(1997), 291-297: the logarithm of the median house value by least squares on the 1990 census.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from adapters.simulator.california import REGIONS, ocean_proximity, place

Vector: TypeAlias = NDArray[np.float64]

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


@dataclass(frozen=True, slots=True)
class BlockGroups:
    """Columns of shape (rows,); the value is not capped yet, and no bedrooms are missing."""

    longitude: Vector
    latitude: Vector
    housing_median_age: Vector
    total_rooms: Vector
    total_bedrooms: Vector
    population: Vector
    households: Vector
    median_income: Vector
    ocean_proximity: NDArray[np.int32]
    house_value: Vector
    bedrooms_known: NDArray[np.bool_]


def regressors(
    *,
    income: Vector,
    age: Vector,
    rooms: Vector,
    bedrooms: Vector,
    people: Vector,
    homes: Vector,
) -> Vector:
    """Return what the coefficients are multiplied by, in their order; shape (rows, 9)."""
    columns = [
        np.ones(len(income)),
        income,
        income**2,
        income**3,
        np.log(age),
        np.log(rooms / people),
        np.log(bedrooms / people),
        np.log(people / homes),
        np.log(homes),
    ]
    return np.column_stack(columns)


def draw(rows: int, random: np.random.Generator) -> BlockGroups:
    """Make up block groups. Their marginals and correlations are near those of the census."""
    region = np.searchsorted(_SHARES / _SHARES[-1], random.random(rows), side="right")
    known = random.random(rows) >= 0.01
    normal = random.standard_normal((_DEVIATES, rows))
    latitude, longitude = place(region, normal[:2])
    wealth = normal[2]
    income = np.exp(1.24 + _INCOME_ABOVE[region] + 0.42 * wealth)
    income = np.round(np.clip(income, 0.4999, 15.0001), 4)
    age = np.clip(np.round(28.8 - 1.8 * wealth - 3.0 * normal[3] + 13.0 * normal[4]), 1, 52)
    homes = _count(np.exp(6.0 + 0.7 * normal[3]))
    people = _count(homes * np.exp(1.05 - 0.04 * normal[3] + 0.25 * normal[5]))
    bedrooms = _count(homes * np.exp(0.06 + 0.09 * normal[6]))
    rooms = homes * np.exp(1.63 + 0.15 * wealth + 0.1 * normal[6] + 0.15 * normal[7])
    rooms = np.maximum(_count(rooms), bedrooms + 1)
    terms = regressors(
        income=income, age=age, rooms=rooms, bedrooms=bedrooms, people=people, homes=homes
    )
    expected = terms @ [*COEFFICIENTS.values()]
    return BlockGroups(
        longitude=longitude,
        latitude=latitude,
        housing_median_age=age,
        total_rooms=rooms,
        total_bedrooms=bedrooms,
        population=people,
        households=homes,
        median_income=income,
        ocean_proximity=ocean_proximity(latitude, longitude),
        house_value=np.exp(expected + RESIDUAL * normal[8]),
        bedrooms_known=known,
    )


def _count(expected: Vector) -> Vector:
    """Return whole numbers of at least one."""
    return np.maximum(np.round(expected), 1.0)
