"""The code that adds up an ensemble of trees, written in LLVM's own language.

*Ranks.* A row's values are needed only to be compared with thresholds. So each value is first
replaced by its rank: how many of its column's thresholds are below it. Then `value <= threshold`
is `rank <= rank of the threshold`: exactly, and on bytes, of which 64 fit a register. A missing
value goes left at some nodes and right at others, whatever the threshold: each column has two
planes of ranks, in which a missing value ranks lowest and highest; a node looks at one of them.

*Many rows: all nodes, in order.* A block of 64 rows holds in one byte per row the leaf that the
row has come to: the leftmost that is still possible. A node is asked of a row only if it divides
the leaves that begin at that one (its `low`); a row that goes right comes to the node's `split`.

    leaf = select(leaf == low and rank > threshold, split, leaf)

There is no branch, hence nothing that the processor can guess wrong. `ABREAST` trees are worked
on at once, since a step has to wait for the step before it in the same tree.

*Few rows: from the root down.* Asking all nodes does not pay for a row or two. They walk down
`WALKS` trees at once, as many steps as the deepest of them has; leaves lead to themselves.

Either way the values of the leaves are added in the order of the trees, starting from zero: the
sum is that of scikit-learn and ONNX Runtime to the last bit, alone and in a batch.
"""

from typing import Any

from llvmlite import ir

from adapters.llvm.ir_builder import (
    BYTE,
    FLOAT64,
    INT32,
    INT64,
    Loop,
    at,
    byte,
    counting,
    everywhere,
    load,
    vector_at,
    whole,
    widened,
)

NAME = "score"

ROWS = 64  # that make a block: one byte each
RANKS = 256  # that a byte can hold: the length of a column's thresholds, padded with infinity
PIVOTS = 16  # thresholds of a column, every sixteenth, that are looked at first
ALIGNED = 8  # bytes to which numbers are aligned, and therefore vectors of them
ABREAST = 4  # trees that a block is asked at once
UNROLLED = 2  # nodes in a turn of the inner loop
WALKS = 8  # trees that a row walks down at once
FEW = 3  # rows up to which walking is faster, measured with 400 trees of 31 leaves
ADDED = 8  # rows whose leaves are added in one turn

# The fields of an ensemble, in order: see `adapters.llvm.tree_layout`, which fills them.
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
    module = ir.Module("trees")
    ensemble = ir.LiteralStructType(FIELDS.values())
    arguments = [
        ensemble.as_pointer(),
        FLOAT64.as_pointer(),
        INT64,
        BYTE.as_pointer(),
        FLOAT64.as_pointer(),
    ]
    score = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), NAME)
    for argument in score.args:
        if isinstance(argument.type, ir.PointerType):
            argument.add_attribute("noalias")
    build = ir.IRBuilder(score.append_basic_block("start"))
    _Score(build, score).write()
    return str(module)


class _Score:
    """The parts of the function; `f` are the fields of the ensemble."""

    def __init__(self, build: ir.IRBuilder, score: ir.Function) -> None:
        self.build = build
        ensemble, self.rows, self.count, self.planes, self.sums = score.args
        self.f = {
            name: build.load(build.gep(ensemble, [whole(0), ir.Constant(INT32, position)]))
            for position, name in enumerate(FIELDS)
        }
        # A tree has its inner nodes first, padded to the same number, and then its leaves.
        self.size = build.add(build.shl(self.f["inner"], whole(1)), whole(1))
        self.leaves = [build.alloca(_RANKS_OF_ROWS) for _ in range(ABREAST)]
        self.totals = build.alloca(FLOAT64, whole(ROWS))

    def write(self) -> None:
        build = self.build
        with counting(build, self.count, ROWS) as start:
            left = build.sub(self.count, start)
            taken = build.select(build.icmp_signed("<", left, whole(ROWS)), left, whole(ROWS))
            with counting(build, taken) as row:
                self._rank(build.add(start, row), row)
                build.store(ir.Constant(FLOAT64, 0.0), at(build, self.totals, row))
            few = build.icmp_signed("<=", taken, whole(FEW))
            with build.if_else(few) as (walking, asking):
                with walking, counting(build, taken) as row:
                    self._walk(row)
                with asking:
                    self._ask_all(taken)
            with counting(build, taken) as row:
                total = load(build, self.totals, row)
                build.store(total, at(build, self.sums, build.add(start, row)))
        build.ret_void()

    def _rank(self, source: Any, row: Any) -> None:
        """Write the ranks of a row's values into its lane of the planes."""
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

        First of every sixteenth one, then of the sixteen among which that leaves it.
        """
        build = self.build
        values = everywhere(build, value, PIVOTS)
        passed = self._count_below(values, "pivots", build.mul(column, whole(PIVOTS)))
        begin = build.add(build.mul(column, whole(RANKS)), build.mul(passed, whole(PIVOTS)))
        within = self._count_below(values, "cuts", begin)
        return build.trunc(build.add(build.mul(passed, whole(PIVOTS)), within), BYTE)

    def _count_below(self, values: Any, name: str, begin: Any) -> Any:
        build = self.build
        cuts = build.load(vector_at(build, self.f[name], begin, _PIVOTS), align=ALIGNED)
        below = build.bitcast(build.fcmp_ordered(">", values, cuts), ir.IntType(PIVOTS))
        return build.zext(build.ctpop(below), INT64)

    def _ask_all(self, taken: Any) -> None:
        """Add up the trees for a block of rows."""
        build = self.build
        with counting(build, self.f["trees"], ABREAST) as tree:
            roots = [
                build.mul(build.add(tree, whole(ahead)), self.size) for ahead in range(ABREAST)
            ]
            nothing = ir.Constant(_RANKS_OF_ROWS, [0] * ROWS)
            loop = Loop(build, [nothing] * ABREAST)
            leaves = loop.variables
            for ahead in range(UNROLLED):
                position = build.add(loop.index, whole(ahead))
                nodes = [build.add(root, position) for root in roots]
                leaves = [self._ask(n, leaf) for n, leaf in zip(nodes, leaves, strict=True)]
            loop.repeat(build, UNROLLED, self.f["inner"], leaves)
            for leaf, kept in zip(leaves, self.leaves, strict=True):
                build.store(leaf, kept)
            self._add_leaves(roots, taken)

    def _ask(self, node: Any, leaf: Any) -> Any:
        """Return the leaves that the rows of a block have come to after one more node."""
        build, f = self.build, self.f
        plane = vector_at(build, self.planes, load(build, f["plane"], node), _RANKS_OF_ROWS)
        threshold, low, split = (
            everywhere(build, load(build, f[name], node), ROWS) for name in ("rank", "low", "split")
        )
        asked = build.icmp_unsigned("==", leaf, low)
        right = build.icmp_unsigned(">", build.load(plane, align=ROWS), threshold)
        return build.select(build.and_(asked, right), split, leaf)

    def _add_leaves(self, roots: list[Any], taken: Any) -> None:
        """Add the values of the leaves that each row came to; lanes without a row may be added."""
        build = self.build
        values = [at(build, self.f["value"], build.add(root, self.f["inner"])) for root in roots]
        leaves = [build.bitcast(kept, BYTE.as_pointer()) for kept in self.leaves]
        with counting(build, taken, ADDED) as first:
            for ahead in range(ADDED):
                row = build.add(first, whole(ahead))
                place = at(build, self.totals, row)
                total = build.load(place)
                for of_tree, reached in zip(values, leaves, strict=True):
                    leaf = widened(build, load(build, reached, row))
                    total = build.fadd(total, load(build, of_tree, leaf))
                build.store(total, place)

    def _walk(self, row: Any) -> None:
        """Add up the trees for one row of a block."""
        build, f = self.build, self.f
        place = at(build, self.totals, row)
        ranks = at(build, self.planes, row)
        with counting(build, f["trees"], WALKS) as tree:
            roots = [build.mul(build.add(tree, whole(ahead)), self.size) for ahead in range(WALKS)]
            loop = Loop(build, roots)
            reached = [self._step(ranks, node) for node in loop.variables]
            loop.repeat(build, 1, load(build, f["depth"], tree), reached)
            total = build.load(place)
            for node in reached:
                total = build.fadd(total, load(build, f["value"], node))
            build.store(total, place)

    def _step(self, ranks: Any, node: Any) -> Any:
        """Return the node below a node for a row; a leaf's is itself."""
        build, f = self.build, self.f
        rank = load(build, ranks, load(build, f["plane"], node))
        right = build.icmp_unsigned(">", rank, load(build, f["rank"], node))
        branch = build.add(build.shl(node, whole(1)), widened(build, right))
        return load(build, f["child"], branch)
