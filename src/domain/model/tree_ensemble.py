"""An ensemble of regression trees as plain arrays, the form that compiled code scores.

The leaves of a tree are numbered from left to right. An inner node compares a value of the row with
a threshold: at most the threshold goes left, more goes right. A node separates leaf `split - 1`
from leaf `split`. Each border of two adjacent leaves belongs to exactly one node, and a node comes
before the nodes below it. So the list of borders alone describes the shape of a tree, and any order
of the borders 1 … leaves - 1 is the list of some tree.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from domain.data.feature import Vector
from domain.errors import ArtefactRejected
from domain.model.safetensors import FLOAT64, INT32, UINT8, Types, read_tensors, write_tensors

Integers = NDArray[np.int32]

_TYPES: Types = {
    "width": INT32,
    "leaves": INT32,
    "columns": INT32,
    "thresholds": FLOAT64,
    "missing_left": UINT8,
    "splits": INT32,
    "values": FLOAT64,
}


@dataclass(frozen=True, slots=True)
class TreeEnsemble:
    """Trees over rows of `width` columns; a row's prediction is the sum, in order, of its leaves.

    `leaves` has the number of leaves of each tree. All inner nodes, tree by tree, are described by
    `columns`, `thresholds`, `missing_left` (where a missing value goes) and `splits`; `values`
    are those of all leaves. Trees that are not well formed raise `ArtefactRejected`.
    """

    # Compiled code stores the number of a leaf, and the rank of a value, in one byte.
    MOST_LEAVES = 256
    MOST_THRESHOLDS = 255
    MOST_COLUMNS = 2**16
    MOST_NODES = 2**24  # when all trees have as many as the largest

    width: int
    leaves: Integers
    columns: Integers
    thresholds: Vector
    missing_left: NDArray[np.bool_]
    splits: Integers
    values: Vector

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_nodes()
        self._check_borders()

    @property
    def inner(self) -> NDArray[np.intp]:
        """The number of inner nodes of each tree."""
        return self.leaves.astype(np.intp) - 1

    def cuts(self) -> list[Vector]:
        """Return the thresholds of each column, in increasing order, each once."""
        order = np.argsort(self.columns, kind="stable")
        ends = np.searchsorted(self.columns[order], np.arange(1, self.width))
        return [_distinct(part) for part in np.split(self.thresholds[order], ends)]

    def to_bytes(self) -> bytes:
        """Return the trees as a file; equal ensembles give equal bytes."""
        return write_tensors(
            {
                "width": np.array([self.width], dtype=INT32),
                "leaves": self.leaves,
                "columns": self.columns,
                "thresholds": self.thresholds,
                "missing_left": self.missing_left.astype(UINT8),
                "splits": self.splits,
                "values": self.values,
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes, source: str) -> Self:
        """Return the ensemble in a file.

        Raises:
            ArtefactRejected: the file is truncated, or its trees are not well formed.
        """
        arrays = read_tensors(content, _TYPES, source)
        width, flags = arrays.pop("width"), arrays.pop("missing_left")
        if len(width) != 1 or (flags > 1).any():
            raise ArtefactRejected(f"{source} cannot be read: width or missing_left is wrong")
        try:
            return cls(int(width[0]), missing_left=flags.astype(np.bool_), **arrays)
        except ArtefactRejected as error:
            raise ArtefactRejected(f"{source} cannot be read: {error}") from error

    def _check_sizes(self) -> None:
        _require(0 < self.width <= self.MOST_COLUMNS, f"the width is not 1 to {self.MOST_COLUMNS}")
        _require(len(self.leaves) > 0, "the ensemble is empty")
        least, most = int(self.leaves.min()), int(self.leaves.max())
        _require(1 <= least <= most <= self.MOST_LEAVES, f"leaves are not 1 to {self.MOST_LEAVES}")
        _require(len(self.leaves) * most <= self.MOST_NODES, f"more than {self.MOST_NODES} nodes")
        of_nodes = (self.columns, self.thresholds, self.missing_left, self.splits)
        whole = {array.shape for array in of_nodes} == {(int(self.inner.sum()),)}
        _require(whole, "inner nodes lack something")
        _require(len(self.values) == int(self.leaves.sum()), "leaves lack a value")

    def _check_nodes(self) -> None:
        known = (self.columns >= 0) & (self.columns < self.width)
        _require(bool(known.all()), f"a column is not one of {self.width}")
        _require(not np.isnan(self.thresholds).any(), "a threshold is not a number")
        _require(bool(np.isfinite(self.values).all()), "the value of a leaf is not finite")
        most = max(map(len, self.cuts()))
        _require(most <= self.MOST_THRESHOLDS, f"a column has {most} thresholds")

    def _check_borders(self) -> None:
        inner = self.inner
        tree = np.repeat(np.arange(len(inner)), inner)
        borders = np.arange(len(tree)) - np.repeat(np.cumsum(inner) - inner, inner) + 1
        found = self.splits[np.lexsort((self.splits, tree))]
        _require(bool((found == borders).all()), "a border of leaves is not of exactly one node")


def _distinct(numbers: Vector) -> Vector:
    """Return what `np.unique` does, which would import all of `numpy.ma` first."""
    ordered = np.sort(numbers)
    first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ArtefactRejected(f"these are no trees: {problem}")
