"""The kinds of load that servers are put under."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of load: so many different bodies of so many rows, over so many connections."""

    name: str
    rows: int
    connections: int
    bodies: int


CROWD = Shape("1 row, 32 connections", rows=1, connections=32, bodies=64)
ALONE = Shape("1 row, 1 connection", rows=1, connections=1, bodies=64)
HUNDRED = Shape("100 rows, 4 connections", rows=100, connections=4, bodies=16)
CROWDED = Shape("100 rows, 16 connections", rows=100, connections=16, bodies=16)
THOUSAND = Shape("1,000 rows, 4 connections", rows=1000, connections=4, bodies=4)

# What servers of JSON are put under, and what those of binary tensors.
JSON_SHAPES = (CROWD, ALONE, HUNDRED)
TENSOR_SHAPES = (THOUSAND,)
