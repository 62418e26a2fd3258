"""The data source behind `sample:N`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from adapters.simulator.block_groups import draw
from adapters.simulator.california import OCEAN_PROXIMITY
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind
from domain.data.table import Coded, Column, Table, plain
from domain.data.value_type import ValueType, type_of
from domain.errors import InvalidData, Misconfigured

COLUMNS = (
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
    "median_house_value",
    "ocean_proximity",
)
LOWEST_VALUE, CAPPED_VALUE = 14_999.0, 500_001.0

_FORMAT = "1"  # to be raised when the same seed gives other rows
_ROWS_AT_ONCE = 8_192


@dataclass(frozen=True, slots=True)
class SimulatedSource:
    """Simulated block groups with the columns of the census file.

    Rows are drawn in blocks, each by a random generator seeded with the seed and the number of the
    block. So row i of a seed is the same in every sample, and is drawn without those before it.
    """

    rows: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise Misconfigured(f"sample:{self.rows}: there must be at least one row")
        if not 0 <= self.seed < 2**64:
            raise Misconfigured(f"seed: {self.seed} is not from 0 to {2**64 - 1}")

    @property
    def version(self) -> DatasetVersion:
        """The identity of the sample; no row is drawn for it."""
        identity = f"modelport sample {_FORMAT} rows {self.rows} seed {self.seed}"
        digest = sha256(identity.encode()).hexdigest()
        return DatasetVersion(f"sample:{self.rows}", digest, self.rows, simulated=True)

    @property
    def columns(self) -> tuple[str, ...]:
        return COLUMNS

    def value_types(self, names: Sequence[str]) -> Mapping[str, ValueType]:
        first = self.read(Chunk(0, 0, 1), dict.fromkeys(names)).columns
        return {name: type_of(plain(column).tolist()) for name, column in first.items()}

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        for index, start in enumerate(range(0, self.rows, rows_per_chunk)):
            yield Chunk(index, start, min(rows_per_chunk, self.rows - start))

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        missing = [name for name in columns if name not in COLUMNS]
        if missing:
            raise InvalidData(
                f"{self.version.uri}: no column {missing[0]!r}; it has {', '.join(COLUMNS)}"
            )
        first = chunk.start // _ROWS_AT_ONCE
        blocks = range(first, -(-(chunk.start + chunk.rows) // _ROWS_AT_ONCE))
        skipped = chunk.start - first * _ROWS_AT_ONCE
        made = [_block(self.seed, block) for block in blocks]
        rows = slice(skipped, skipped + chunk.rows)
        return Table({name: _stack([b[name] for b in made])[rows] for name in columns}, chunk.rows)


def _block(seed: int, index: int) -> dict[str, Column]:
    key = np.array([seed, index], dtype=np.uint64)
    columns, known = draw(_ROWS_AT_ONCE, np.random.Generator(np.random.Philox(key=key)))
    value = np.clip(np.round(columns["median_house_value"], -2), LOWEST_VALUE, None)
    return {
        **columns,
        "total_bedrooms": np.where(known, columns["total_bedrooms"], np.nan),
        "median_house_value": np.where(value > 500_000, CAPPED_VALUE, value),
        "ocean_proximity": Coded(columns["ocean_proximity"], OCEAN_PROXIMITY),
    }


def _stack(parts: list[Column]) -> Column:
    arrays = [part.codes if isinstance(part, Coded) else plain(part) for part in parts]
    whole = np.concatenate(arrays)
    return Coded(whole, OCEAN_PROXIMITY) if isinstance(parts[0], Coded) else whole
