"""Tree ensembles of a bundle in compiled code, and the memory layout that the kernel reads."""

import ctypes
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from adapters.llvm.compiler import HOST, address, compiled
from adapters.llvm.tree_kernel import FIELDS, NAME, PIVOTS, RANKS, ROWS, UNROLLED, WALKS, kernel
from application.model.serving_form import ScoreColumns, require_file
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.errors import ArtefactRejected
from domain.features.encoding import ENCODING
from domain.model.bundle import TREES
from domain.model.tree_ensemble import TreeEnsemble

Nodes: TypeAlias = NDArray[np.intp]

# Special values in arrays of branches, and in arrays of inner nodes.
_FIRST_LEFT, _ROOT, _NO_LEAF = 0, -1, -2
_NO_TREE = -1


def open_trees(files: Mapping[str, bytes], width: int) -> ScoreColumns:
    """Return the compiled ensemble over `width` columns.

    Raises:
        ArtefactRejected: the trees are malformed or take another number of columns.
    """
    trees = TreeEnsemble.from_bytes(require_file(files, TREES), TREES)
    if trees.width != width:
        raise ArtefactRejected(
            f"{TREES} takes {trees.width} columns where {ENCODING} makes {width}"
        )
    return TreeSum(trees)


class TreeSum:
    """Sums the trees for rows of columns; thread-safe, without the GIL."""

    def __init__(self, trees: TreeEnsemble, processor: str = HOST) -> None:
        self._width = trees.width
        self._layout = TreeLayout(trees)  # keeps alive what the addresses point to
        self._ensemble = self._layout.ensemble
        self._reference = ctypes.byref(self._ensemble)
        self._score = compiled(NAME, kernel, processor)

    def __call__(self, columns: Matrix) -> Vector:
        """Return the sum for each row of `columns`, shape (rows, width), with one row or more."""
        rows = np.ascontiguousarray(columns, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self._width or not len(rows):
            raise ValueError(
                f"columns have shape {rows.shape}; allowed: (1 or more, {self._width})"
            )
        sums = np.empty(len(rows))
        planes = np.empty((2 * self._width + 1) * ROWS, dtype=np.uint8)
        scratch = address(planes)
        scratch += -scratch % ROWS
        self._score(self._reference, address(rows), len(rows), scratch, address(sums))
        return sums


class Ensemble(ctypes.Structure):
    """The first argument of the kernel."""

    _fields_ = [(name, ctypes.c_int64) for name in FIELDS]


class TreeLayout:
    """Trees of equal size, one after another: first the inner nodes, then the leaves.

    Trees are padded with nodes at which no row goes right, the ensemble with trees whose leaves are
    zero. A leaf is stored as such a node too, and is its own child.
    """

    def __init__(self, trees: TreeEnsemble) -> None:
        cuts = trees.cuts()
        self.inner = max(UNROLLED, _rounded_up(int(trees.inner.max()), UNROLLED))
        self.count = _rounded_up(len(trees.leaves), WALKS)
        self.cuts = _padded(cuts)
        self.pivots = self.cuts[:, PIVOTS - 1 :: PIVOTS].copy()
        shape = (self.count, 2 * self.inner + 1)
        self.plane = np.zeros(shape, dtype=np.int32)
        self.rank = np.full(shape, RANKS - 1, dtype=np.uint8)
        self.split = np.zeros(shape, dtype=np.uint8)
        self.value = np.zeros(shape)
        tree = np.repeat(np.arange(len(trees.leaves)), trees.inner)
        node = _counted(trees.inner)
        self.plane[tree, node] = (2 * trees.columns + ~trees.missing_left) * ROWS
        for column, thresholds in enumerate(cuts):
            here = trees.columns == column
            self.rank[tree[here], node[here]] = np.searchsorted(thresholds, trees.thresholds[here])
        self.split[tree, node] = trees.splits
        of_leaf = np.repeat(np.arange(len(trees.leaves)), trees.leaves)
        self.value[of_leaf, self.inner + _counted(trees.inner + 1)] = trees.values
        self.low, self.child, self.depth = self._descend(trees.inner)

    @property
    def ensemble(self) -> Ensemble:
        """The argument of the kernel; its addresses are valid while this object lives."""
        arrays = ("cuts", "pivots", "plane", "rank", "low", "split", "child", "depth", "value")
        addresses = (getattr(self, name).ctypes.data for name in arrays)
        return Ensemble(len(self.cuts), self.count, self.inner, *addresses)

    def _descend(
        self, inner: Nodes
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
        """Return the first leaf below each node, its children, and the depth of each tree.

        All trees are built at once, node by node. Meanwhile each leaf holds the branch that leads
        to it (node 0 left, node 0 right, node 1 left, …) and its depth.
        """
        count, size = self.split.shape
        low = np.zeros((count, size), dtype=np.uint8)
        child = np.repeat(np.arange(count * size, dtype=np.int32), 2).reshape(count, size, 2)
        branches = child.reshape(count, 2 * size)
        leaf = np.arange(self.inner + 1)
        inner = np.pad(inner, (0, count - len(inner)), constant_values=_NO_TREE)[:, None]
        branch = np.where(inner > 0, _ROOT, _FIRST_LEFT)
        branch = np.where(leaf <= inner, branch, _NO_LEAF)
        depth = np.zeros(branch.shape, dtype=np.int32)
        for node in range(int(inner.max())):
            trees = np.flatnonzero(inner[:, 0] > node)
            split = self.split[trees, node]
            parent = branch[trees, split]
            divided = branch[trees] == parent[:, None]
            low[trees, node] = divided.argmax(axis=1)
            below = parent >= 0
            branches[trees[below], parent[below]] = trees[below] * size + node
            sides = 2 * node + (leaf >= split[:, None])
            branch[trees] = np.where(divided, sides, branch[trees])
            depth[trees] += divided
        tree, reached = np.nonzero(branch >= 0)
        branches[tree, branch[tree, reached]] = tree * size + self.inner + reached
        group = depth.max(axis=1).reshape(-1, WALKS).max(axis=1)
        deepest = np.repeat(np.maximum(group, 1), WALKS)
        return low, child, deepest


def _rounded_up(number: int, step: int) -> int:
    return -(-number // step) * step


def _counted(lengths: Nodes) -> Nodes:
    """Return 0 … length - 1 for each length, concatenated."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)


def _padded(cuts: list[NDArray[np.float64]]) -> Matrix:
    padded = np.full((len(cuts), RANKS), np.inf)
    for row, column in zip(padded, cuts, strict=True):
        row[: len(column)] = column
    return padded
