"""Tree ensembles of a bundle, in compiled code."""

import ctypes
from collections.abc import Mapping

import numpy as np

from adapters.llvm.compiler import HOST, compiled
from adapters.llvm.tree_kernel import NAME, ROWS, kernel
from adapters.llvm.tree_layout import TreeLayout, address
from application.model.serving_form import ScoreColumns, require_file
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.errors import ArtefactRejected
from domain.features.encoding import ENCODING
from domain.model.bundle import TREES
from domain.model.tree_ensemble import TreeEnsemble


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
