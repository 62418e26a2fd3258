"""The constants of neighbour statistics, recorded with every model that uses them."""

from dataclasses import dataclass
from itertools import pairwise
from math import cos, inf, radians, sin

import numpy as np

from domain.data.feature import Vector
from domain.errors import Misconfigured

_MOST_NEIGHBOURS = 1000


@dataclass(frozen=True, slots=True)
class NeighbourParameters:
    """How many neighbours each statistic uses, and the constants of its formula.

    Statistics over fewer than all `neighbours` use the nearest. `rotations` are the angles, in
    degrees, of the axes on which locations are given. A neighbour's weight is 1 / (distance +
    `distance_offset`), both in degrees of latitude. `ridge_share` is the ridge penalty of the
    slopes, as a share of the variance over all training rows. Coordinates are clipped to
    ±`largest_coordinate`; a quotient above `largest_quotient` counts as undefined.
    """

    neighbours: int
    mean_counts: tuple[int, ...]
    covariate_counts: tuple[int, ...]
    median_count: int
    extreme_counts: tuple[int, ...]
    distance_ranks: tuple[int, ...]
    rotations: tuple[int, ...]
    distance_offset: float
    ridge_share: float
    largest_coordinate: float
    largest_quotient: float

    def __post_init__(self) -> None:
        lists = (self.mean_counts, self.covariate_counts, self.extreme_counts, self.distance_ranks)
        counts = {self.median_count, *(count for each in lists for count in each)}
        if not 1 <= min(counts) <= max(counts) <= self.neighbours <= _MOST_NEIGHBOURS:
            raise Misconfigured(
                f"neighbours: counts and ranks must be from 1 to `neighbours`, "
                f"and that at most {_MOST_NEIGHBOURS}"
            )
        if self.neighbours not in self.mean_counts or not all((*lists, self.rotations)):
            raise Misconfigured(
                "neighbours: no list may be empty, and `mean_counts` must have `neighbours`"
            )
        if any(first >= second for each in lists for first, second in pairwise(each)):
            raise Misconfigured("neighbours: counts and ranks must ascend")
        positive = (self.distance_offset, self.largest_coordinate, self.largest_quotient)
        if not all(0 < value < inf for value in positive) or not 0 <= self.ridge_share < inf:
            raise Misconfigured("neighbours: offset, limits and ridge share must be above 0")

    @property
    def own_groups(self) -> int:
        """How many groups of columns are combined with a row's covariates: ratios, then slopes."""
        return len(self.covariate_counts) + 1

    @property
    def axes(self) -> tuple[Vector, Vector]:
        """The cosine and the sine of each rotation, both rounded to six digits."""
        angles = [radians(degrees) for degrees in self.rotations]
        cosines, sines = ([round(of(angle), 6) for angle in angles] for of in (cos, sin))
        return np.array(cosines), np.array(sines)


# The parameters of all bundles whose features.json does not record any. Do not change them.
UNRECORDED = NeighbourParameters(
    neighbours=30,
    mean_counts=(5, 10, 30),
    covariate_counts=(30,),
    median_count=10,
    extreme_counts=(10,),
    distance_ranks=(1, 5, 30),
    rotations=(30, 60, 120, 150),
    distance_offset=0.005,
    ridge_share=0.05,
    largest_coordinate=1e9,
    largest_quotient=1e200,
)
# The parameters of new models.
CURRENT = UNRECORDED
