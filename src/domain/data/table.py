"""A table: named columns of one length, handled a column at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Self, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from domain.data.value_type import ValueType
from domain.errors import InvalidData, Violation

Column: TypeAlias = Union[NDArray[Any], "Coded", "Kept"]


@dataclass(frozen=True, slots=True)
class Coded:
    """A text column: `values[codes[i]]`, missing if the code is -1; `codes` has shape (rows,)."""

    codes: NDArray[np.int32]
    values: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        return type(self)(self.codes[rows], self.values)

    def decoded(self) -> NDArray[np.object_]:
        """Return the column as Python strings, None where missing; shape (rows,)."""
        values = np.array([*self.values, None], dtype=object)
        return values[self.codes]


@dataclass(frozen=True, slots=True)
class Kept:
    """A column that is copied unchanged from a source to an output.

    `type` is that of all rows of the source, where the source is known as a whole. `values` is
    another column, or an object of the adapter with the same methods as `Coded`.
    """

    type: ValueType
    values: Any

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        return type(self)(self.type, self.values[rows])

    def decoded(self) -> NDArray[Any]:
        """Return the values as a typed numpy array if there is one, otherwise as Python objects."""
        return plain(self.values)


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns of one length.

    A column is float64 (NaN where missing), int64, bool, object (None where missing), `Coded` or
    `Kept`.
    `faults` are the rows that could not be read, in order; their values have no meaning.
    """

    columns: Mapping[str, Column]
    rows: int
    faults: tuple[Violation, ...] = ()

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if len(column) != self.rows:
                raise InvalidData(
                    f"column {name!r} has {len(column)} rows where the table has {self.rows}"
                )
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))

    @classmethod
    def of(cls, columns: Mapping[str, Column]) -> Self:
        """Build a table whose row count is that of its first column."""
        first = next(iter(columns.values()), None)
        return cls(columns, 0 if first is None else len(first))

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        """Return the rows of a slice, a boolean mask or an array of positions."""
        taken = {name: column[rows] for name, column in self.columns.items()}
        positions = np.arange(self.rows)[rows]
        return type(self)(taken, len(positions), self._faults_of(positions))

    def _faults_of(self, positions: NDArray[np.intp]) -> tuple[Violation, ...]:
        if not self.faults:
            return ()
        by_row = {fault.row: fault for fault in self.faults}
        found = ((new, by_row.get(old)) for new, old in enumerate(positions.tolist()))
        return tuple(replace(fault, row=new) for new, fault in found if fault is not None)

    def __reduce__(
        self,
    ) -> tuple[type[Self], tuple[dict[str, Column], int, tuple[Violation, ...]]]:
        return type(self), (dict(self.columns), self.rows, self.faults)

    def column(self, name: str) -> Column:
        """Return one column.

        Raises:
            InvalidData: there is no such column.
        """
        if name not in self.columns:
            raise InvalidData(f"no column {name!r}; the table has {', '.join(self.columns)}")
        return self.columns[name]

    @classmethod
    def concat(cls, tables: Iterable[Self]) -> Self:
        """Stack tables of the same columns, in order.

        Raises:
            InvalidData: the columns of a table are not those of the first.
        """
        parts = list(tables)
        if not parts:
            return cls({}, 0)
        for part in parts:
            if [*part.columns] != [*parts[0].columns]:
                raise InvalidData(
                    f"tables of different columns cannot be stacked: "
                    f"{', '.join(parts[0].columns)}; {', '.join(part.columns)}"
                )
        columns = {name: _stack([p.columns[name] for p in parts]) for name in parts[0].columns}
        starts = accumulate((len(part) for part in parts), initial=0)
        faults = tuple(
            replace(fault, row=start + fault.row)
            for part, start in zip(parts, starts, strict=False)
            for fault in part.faults
        )
        return cls(columns, sum(len(part) for part in parts), faults)


def plain(column: Column) -> NDArray[Any]:
    """Return a column as a numpy array."""
    return column if isinstance(column, np.ndarray) else column.decoded()


def _stack(columns: list[Column]) -> Column:
    arrays = [plain(column) for column in columns]
    if len({array.dtype for array in arrays}) > 1:
        arrays = [array.astype(object) for array in arrays]
    return np.concatenate(arrays)
