"""The part of the survey of places that finds the nearest points, as `domain.features.knn` does."""

from collections.abc import Mapping
from typing import Any

from llvmlite import ir

from adapters.llvm.ir_builder import (
    FLOAT64,
    INT64,
    at,
    counting,
    greater,
    lesser,
    load,
    number,
    root,
    whole,
)
from domain.features import grid_index as grid


class Ranking:
    """A sorted list: keys, the smallest first, and what each belongs to."""

    def __init__(self, build: ir.IRBuilder, slots: int) -> None:
        self.build = build
        self.keys = build.alloca(FLOAT64, whole(slots))
        self.tags = build.alloca(INT64, whole(slots))

    def clear(self, size: Any) -> None:
        """Fill the list with what is larger than any key."""
        build = self.build
        with counting(build, size) as slot:
            build.store(number(float("inf")), at(build, self.keys, slot))
            build.store(whole(0), at(build, self.tags, slot))

    def insert(self, size: Any, key: Any, tag: Any) -> None:
        """Put a key behind its equals; the last of the list falls out."""
        build = self.build
        last = build.sub(size, whole(1))
        fits = build.fcmp_ordered("<", key, load(build, self.keys, last))
        with build.if_then(fits):
            start, head = build.block, build.append_basic_block("slot")
            compare, shift, done = (build.append_basic_block(n) for n in ("ahead", "shift", "put"))
            build.branch(head)
            build.position_at_end(head)
            slot = build.phi(INT64)
            slot.add_incoming(last, start)
            build.cbranch(build.icmp_signed(">", slot, whole(0)), compare, done)
            build.position_at_end(compare)
            ahead = build.sub(slot, whole(1))
            before = load(build, self.keys, ahead)
            build.cbranch(build.fcmp_ordered(">", before, key), shift, done)
            build.position_at_end(shift)
            build.store(before, at(build, self.keys, slot))
            build.store(load(build, self.tags, ahead), at(build, self.tags, slot))
            slot.add_incoming(ahead, shift)
            build.branch(head)
            build.position_at_end(done)
            build.store(key, at(build, self.keys, slot))
            build.store(tag, at(build, self.tags, slot))


class KnnSearch:
    """Finds the nearest points of a place; `f` are the fields of what is surveyed.

    `nearest` ranks them by squared distance. Those that are equally near stand in the order in
    which they are compared.
    """

    def __init__(self, build: ir.IRBuilder, f: Mapping[str, Any], slots: int) -> None:
        self.build = build
        self.f = f
        self.nearest = Ranking(build, slots)

    def write(self, x: Any, y: Any) -> None:
        """Rank the points around a place."""
        build, f = self.build, self.f
        reach = self._reach(x, y)
        bottom = self._cell(build.fsub(y, reach), "bottom", "rows")
        top = self._cell(build.fadd(y, reach), "bottom", "rows")
        left = self._cell(build.fsub(x, reach), "left", "columns")
        right = build.add(self._cell(build.fadd(x, reach), "left", "columns"), whole(1))
        self.nearest.clear(f["most"])
        with counting(build, build.add(build.sub(top, bottom), whole(1))) as up:
            cell = build.mul(build.add(bottom, up), f["columns"])
            begin = load(build, f["starts"], build.add(cell, left))
            size = build.sub(load(build, f["starts"], build.add(cell, right)), begin)
            some = build.icmp_signed(">", size, whole(0))
            with build.if_then(some), counting(build, size) as ahead:
                point = build.add(begin, ahead)
                across = build.fsub(load(build, f["x"], point), x)
                along = build.fsub(load(build, f["y"], point), y)
                square = build.fadd(build.fmul(across, across), build.fmul(along, along))
                self.nearest.insert(f["most"], square, point)

    def _reach(self, x: Any, y: Any) -> Any:
        """Return a distance within which there are enough points for certain."""
        build, f = self.build, self.f
        column, row = self._cell(x, "left", "columns"), self._cell(y, "bottom", "rows")
        out = load(build, f["radius"], build.add(build.mul(row, f["columns"]), column))
        across = self._farther(build.fsub(x, f["left"]), column, out, f["columns"])
        along = self._farther(build.fsub(y, f["bottom"]), row, out, f["rows"])
        square = build.fadd(build.fmul(across, across), build.fmul(along, along))
        return build.fmul(root(build, square), number(grid.WIDER))

    def _cell(self, value: Any, edge: str, count: str) -> Any:
        """Return the column or row of a place, or the one at the edge."""
        build = self.build
        cells = build.fdiv(build.fsub(value, self.f[edge]), self.f["side"])
        last = build.sitofp(build.sub(self.f[count], whole(1)), FLOAT64)
        return build.fptosi(lesser(build, greater(build, cells, number(0.0)), last), INT64)

    def _farther(self, offset: Any, cell: Any, out: Any, count: Any) -> Any:
        build, part = self.build, number(grid.PART_OF_A_CELL)
        low, high = build.sub(cell, out), build.add(build.add(cell, out), whole(1))
        low = build.select(build.icmp_signed(">", low, whole(0)), low, whole(0))
        high = build.select(build.icmp_signed("<", high, count), high, count)
        nearer = build.fmul(build.fsub(build.sitofp(low, FLOAT64), part), self.f["side"])
        farther = build.fmul(build.fadd(build.sitofp(high, FLOAT64), part), self.f["side"])
        return greater(build, build.fsub(offset, nearer), build.fsub(farther, offset))
