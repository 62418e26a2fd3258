"""LLVM code that sums an ensemble of trees.

*Ranks.* The values of a row are only compared with thresholds. So each value is first replaced by
its rank: the number of its column's thresholds below it. Then `value <= threshold` is `rank <= rank
of the threshold`: exact, and on bytes, of which 64 fit a register. A missing value goes left at
some nodes and right at others, independently of the threshold. So each column has two planes of
ranks, in which a missing value ranks lowest and highest; each node reads one of them.

*Many rows: all nodes, in order.* A block of 64 rows holds one byte per row: the leftmost leaf that
the row can still reach. A node changes only rows whose leaf is the node's `low`, its leftmost leaf;
a row that goes right gets the node's `split`, the leftmost leaf of its right branch.

    leaf = select(leaf == low and rank > threshold, split, leaf)

There are no branches to mispredict. `INTERLEAVED` trees are processed at once, since each step has
to wait for the step before it in the same tree.

*Few rows: from the root down.* A few rows walk down `WALKS` trees at once, as many steps as the
deepest of them has; leaves lead to themselves.

Either way the leaf values are added in the order of the trees, starting from zero: the sum equals
that of scikit-learn and ONNX Runtime to the last bit, for one row and for many.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from llvmlite import ir

from adapters.llvm.ir_builder import (
    BYTE,
    FLOAT64,
    INT32,
    INT64,
    Loop,
    at,
    broadcast,
    build_function,
    byte,
    counting,
    load,
    vector_at,
    whole,
    widened,
)

NAME = "score"

ROWS = 64  # rows per block: one byte each
RANKS = 256  # thresholds per column, padded with infinity: as many as a byte has values
PIVOTS = 16  # thresholds of a column, every sixteenth, that are compared first
ALIGNED = 8  # bytes to which numbers, and vectors of numbers, are aligned
INTERLEAVED = 4  # trees that a block of rows passes at once
UNROLLED = 2  # nodes per iteration of the inner loop
WALKS = 8  # trees that a row walks down at once
FEW = 3  # rows up to which walking is faster; measured with 400 trees of 31 leaves
ADDED = 8  # rows whose leaves are added per iteration

# The fields of the first argument, in order; `adapters.llvm.tree_runtime` fills them.
FIELDS = {
    "width": INT64,
    "trees": INT64,
    "inner": INT64,
    "cuts": FLOAT64.as_pointer(),
    "pivots": FLOAT64.as_pointer(),
    "plane": INT32.as_pointer(),
    "rank": BYTE.as_pointer(),
    "low": BYTE.as_pointer(),
    "split": BYTE.as_pointer(),
    "child": INT32.as_pointer(),
    "depth": INT32.as_pointer(),
    "value": FLOAT64.as_pointer(),
}

_RANKS_OF_ROWS = ir.VectorType(BYTE, ROWS)
_PIVOTS = ir.VectorType(FLOAT64, PIVOTS)


def kernel() -> str:
    """Return the module with the function `score(ensemble, rows, count, planes, sums)`.

    It reads `count` > 0 rows of float64 in C order, writes their sums, and uses `planes`, aligned
    to `ROWS` bytes, as scratch memory of 2 × width × `ROWS` bytes.
    """
    return build_function(NAME, FIELDS, BYTE, lambda *made: _ScoreBuilder(*made).write())


class _ScoreBuilder:
    """Builds the function; `f` are the fields of the ensemble."""

    def __init__(self, build: ir.IRBuilder, f: Mapping[str, Any], arguments: Sequence[Any]) -> None:
        self.build, self.f = build, f
        self.rows, self.count, self.planes, self.sums = arguments
        # A tree is its inner nodes, padded to the same number, and then its leaves.
        self.size = build.add(build.shl(self.f["inner"], whole(1)), whole(1))
        self.leaves = [build.alloca(_RANKS_OF_ROWS) for _ in range(INTERLEAVED)]
        self.totals = build.alloca(FLOAT64, whole(ROWS))

    def write(self) -> None:
        build = self.build
        with counting(build, self.count, ROWS) as start:
            rest = build.sub(self.count, start)
            taken = build.select(build.icmp_signed("<", rest, whole(ROWS)), rest, whole(ROWS))
            with counting(build, taken) as row:
                self._rank(build.add(start, row), row)
                build.store(ir.Constant(FLOAT64, 0.0), at(build, self.totals, row))
            few = build.icmp_signed("<=", taken, whole(FEW))
            with build.if_else(few) as (walking, passing):
                with walking, counting(build, taken) as row:
                    self._walk(row)
                with passing:
                    self._pass_all(taken)
            with counting(build, taken) as row:
                total = load(build, self.totals, row)
                build.store(total, at(build, self.sums, build.add(start, row)))

    def _rank(self, source: Any, row: Any) -> None:
        """Store the ranks of a row's values in its lane of the planes."""
        build = self.build
        values = at(build, self.rows, build.mul(source, self.f["width"]))
        with counting(build, self.f["width"]) as column:
            value = load(build, values, column)
            rank = self._rank_of(value, column)
            missing = build.fcmp_unordered("uno", value, value)
            lowest = build.add(build.mul(column, whole(2 * ROWS)), row)
            highest = build.add(lowest, whole(ROWS))
            build.store(rank, at(build, self.planes, lowest))  # of a missing value: 0
            rank = build.select(missing, byte(RANKS - 1), rank)
            build.store(rank, at(build, self.planes, highest))

    def _rank_of(self, value: Any, column: Any) -> Any:
        """Return how many of 255 increasing thresholds are below a value.

        Every sixteenth threshold is compared first, then the sixteen between two of these.
        """
        build = self.build
        values = broadcast(build, value, PIVOTS)
        passed = self._count_below(values, "pivots", build.mul(column, whole(PIVOTS)))
        begin = build.add(build.mul(column, whole(RANKS)), build.mul(passed, whole(PIVOTS)))
        within = self._count_below(values, "cuts", begin)
        return build.trunc(build.add(build.mul(passed, whole(PIVOTS)), within), BYTE)

    def _count_below(self, values: Any, name: str, begin: Any) -> Any:
        build = self.build
        cuts = build.load(vector_at(build, self.f[name], begin, _PIVOTS), align=ALIGNED)
        below = build.bitcast(build.fcmp_ordered(">", values, cuts), ir.IntType(PIVOTS))
        return build.zext(build.ctpop(below), INT64)

    def _pass_all(self, taken: Any) -> None:
        """Add the trees for a block of rows."""
        build = self.build
        with counting(build, self.f["trees"], INTERLEAVED) as tree:
            roots = [
                build.mul(build.add(tree, whole(ahead)), self.size) for ahead in range(INTERLEAVED)
            ]
            nothing = ir.Constant(_RANKS_OF_ROWS, [0] * ROWS)
            loop = Loop(build, [nothing] * INTERLEAVED)
            leaves = loop.variables
            for ahead in range(UNROLLED):
                position = build.add(loop.index, whole(ahead))
                nodes = [build.add(root, position) for root in roots]
                leaves = [self._pass(n, leaf) for n, leaf in zip(nodes, leaves, strict=True)]
            loop.repeat(build, UNROLLED, self.f["inner"], leaves)
            for leaf, kept in zip(leaves, self.leaves, strict=True):
                build.store(leaf, kept)
            self._add_leaves(roots, taken)

    def _pass(self, node: Any, leaf: Any) -> Any:
        """Return the leaves that the rows of a block can still reach after one more node."""
        build, f = self.build, self.f
        plane = vector_at(build, self.planes, load(build, f["plane"], node), _RANKS_OF_ROWS)
        threshold, low, split = (
            broadcast(build, load(build, f[name], node), ROWS) for name in ("rank", "low", "split")
        )
        concerned = build.icmp_unsigned("==", leaf, low)
        right = build.icmp_unsigned(">", build.load(plane, align=ROWS), threshold)
        return build.select(build.and_(concerned, right), split, leaf)

    def _add_leaves(self, roots: list[Any], taken: Any) -> None:
        """Add the value of the leaf of each row; lanes without a row may be added, too."""
        build = self.build
        values = [at(build, self.f["value"], build.add(root, self.f["inner"])) for root in roots]
        leaves = [build.bitcast(kept, BYTE.as_pointer()) for kept in self.leaves]
        with counting(build, taken, ADDED) as first:
            for ahead in range(ADDED):
                row = build.add(first, whole(ahead))
                pointer = at(build, self.totals, row)
                total = build.load(pointer)
                for of_tree, reached in zip(values, leaves, strict=True):
                    leaf = widened(build, load(build, reached, row))
                    total = build.fadd(total, load(build, of_tree, leaf))
                build.store(total, pointer)

    def _walk(self, row: Any) -> None:
        """Add the trees for one row of a block."""
        build, f = self.build, self.f
        pointer = at(build, self.totals, row)
        ranks = at(build, self.planes, row)
        with counting(build, f["trees"], WALKS) as tree:
            roots = [build.mul(build.add(tree, whole(ahead)), self.size) for ahead in range(WALKS)]
            loop = Loop(build, roots)
            reached = [self._step(ranks, node) for node in loop.variables]
            loop.repeat(build, 1, load(build, f["depth"], tree), reached)
            total = build.load(pointer)
            for node in reached:
                total = build.fadd(total, load(build, f["value"], node))
            build.store(total, pointer)

    def _step(self, ranks: Any, node: Any) -> Any:
        """Return the child of a node that a row goes to; a leaf is its own child."""
        build, f = self.build, self.f
        rank = load(build, ranks, load(build, f["plane"], node))
        right = build.icmp_unsigned(">", rank, load(build, f["rank"], node))
        branch = build.add(build.shl(node, whole(1)), widened(build, right))
        return load(build, f["child"], branch)
