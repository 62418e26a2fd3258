"""The distribution of block groups over California, and their distance from the sea."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Degrees: TypeAlias = NDArray[np.float64]

SOUTH, NORTH, WEST, EAST = 32.54, 41.95, -124.35, -114.31
OCEAN_PROXIMITY = ("<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN")


class Region(NamedTuple):
    """A centre of population: standard deviations in degrees, and share of the block groups.

    `income` is how much the logarithm of the median income is above that of the state.
    """

    latitude: float
    longitude: float
    latitude_deviation: float
    longitude_deviation: float
    share: float
    income: float


REGIONS = (
    Region(34.09, -118.36, 0.14, 0.20, 0.216, 0.02),  # Los Angeles
    Region(33.84, -117.93, 0.15, 0.14, 0.175, 0.17),  # Orange County
    Region(37.86, -122.20, 0.25, 0.22, 0.153, 0.07),  # San Francisco Bay
    Region(37.30, -121.93, 0.18, 0.15, 0.087, 0.29),  # San Jose
    Region(32.86, -117.08, 0.17, 0.12, 0.078, 0.00),  # San Diego
    Region(38.70, -121.30, 0.25, 0.30, 0.064, -0.13),  # Sacramento
    Region(34.07, -117.25, 0.22, 0.26, 0.053, -0.13),  # Riverside and San Bernardino
    Region(37.75, -121.05, 0.26, 0.26, 0.046, -0.22),  # Stockton and Modesto
    Region(36.67, -119.70, 0.30, 0.28, 0.044, -0.28),  # Fresno
    Region(34.75, -120.25, 0.35, 0.35, 0.022, -0.01),  # Santa Barbara
    Region(35.45, -118.95, 0.28, 0.30, 0.022, -0.32),  # Bakersfield
    Region(40.30, -122.00, 0.55, 0.50, 0.018, -0.39),  # the northern valley
    Region(40.60, -123.90, 0.65, 0.25, 0.011, -0.41),  # the northern coast
    Region(33.45, -115.90, 0.45, 0.45, 0.011, -0.37),  # the southern desert
    Region(33.36, -118.38, 0.02, 0.03, 0.00024, -0.20),  # Santa Catalina Island
)
_ISLAND = len(REGIONS) - 1

# Points of the coast from south to north: latitude, longitude.
_COAST = np.array(
    [
        *[(32.53, -117.12), (32.85, -117.28), (33.20, -117.39), (33.46, -117.70)],
        *[(33.60, -117.90), (33.72, -118.20), (33.75, -118.42), (34.00, -118.50)],
        *[(34.03, -118.80), (34.15, -119.20), (34.40, -119.70), (34.45, -120.47)],
        *[(34.75, -120.63), (35.15, -120.70), (35.40, -120.90), (35.90, -121.40)],
        *[(36.30, -121.90), (36.60, -121.95), (36.80, -121.80), (36.95, -122.10)],
        *[(37.20, -122.40), (37.50, -122.50), (37.80, -122.52), (38.00, -123.00)],
        *[(38.30, -123.06), (38.90, -123.70), (39.50, -123.80), (40.30, -124.35)],
        *[(40.80, -124.20), (41.75, -124.25), (42.00, -124.30)],
    ]
)
# Points of the border with Nevada and Arizona from south to north.
_BORDER = np.array([(32.7, -114.6), (35.0, -114.6), (39.0, -120.0), (42.0, -120.0)])
_BAY_LATITUDE, _BAY_LONGITUDE = 37.75, -122.2


def locations(regions: NDArray[np.intp], deviates: Degrees) -> tuple[Degrees, Degrees]:
    """Return latitude and longitude, to two decimals, of block groups in these regions.

    `deviates` are standard normal, shape (2, rows). A location across the border of the state is
    reflected at it; a location in the sea is moved to the shore.
    """
    centres = np.array(REGIONS)[regions]
    latitude = centres[:, 0] + centres[:, 2] * deviates[0]
    latitude = np.round(np.clip(latitude, SOUTH, NORTH), 2)
    longitude = centres[:, 1] + centres[:, 3] * deviates[1]
    border = np.interp(latitude, *_BORDER.T)
    longitude = border - np.abs(border - longitude)
    coast = np.interp(latitude, *_COAST.T)
    at_sea = (longitude < coast) & (regions != _ISLAND)
    longitude = np.where(at_sea, coast + 0.2 * (coast - longitude), longitude)
    return latitude, np.round(np.clip(longitude, WEST, EAST), 2)


def ocean_proximity(latitude: Degrees, longitude: Degrees) -> NDArray[np.int32]:
    """Return the positions in `OCEAN_PROXIMITY` of locations.

    The limits are those that agree best with the census file, on 82% of its rows.
    """
    inland = longitude - np.interp(latitude, *_COAST.T)
    bay = ((latitude - _BAY_LATITUDE) / 0.4) ** 2 + ((longitude - _BAY_LONGITUDE) / 0.45) ** 2
    names = ["ISLAND", "NEAR BAY", "NEAR OCEAN", "<1H OCEAN", "INLAND"]
    codes = [OCEAN_PROXIMITY.index(name) for name in names]
    conditions = [inland < -0.3, bay < 1, inland < 0.12, inland < 0.9]
    found: NDArray[np.int32] = np.select(conditions, codes[:-1], codes[-1]).astype(np.int32)
    return found
