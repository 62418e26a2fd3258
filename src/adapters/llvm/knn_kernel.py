"""LLVM code of the search of the k nearest points, as in `domain.features.nearest_neighbours`."""

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
    """A sorted list of keys, the smallest first, each with a tag."""

    def __init__(self, build: ir.IRBuilder, slots: int) -> None:
        self.build = build
        self.keys = build.alloca(FLOAT64, whole(slots))
        self.tags = build.alloca(INT64, whole(slots))

    def clear(self, size: Any) -> None:
        """Fill the list with infinity."""
        build = self.build
        with counting(build, size) as slot:
            build.store(number(float("inf")), at(build, self.keys, slot))
            build.store(whole(0), at(build, self.tags, slot))

    def insert(self, size: Any, key: Any, tag: Any) -> None:
        """Insert a key behind its equals and drop the last one."""
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
    """Finds the nearest points of a query point; `f` are the fields of the kernel's argument.

    `nearest` ranks them by squared distance; equally near points keep the order of comparison.
    """

    def __init__(self, build: ir.IRBuilder, f: Mapping[str, Any], slots: int) -> None:
        self.build = build
        self.f = f
        self.nearest = Ranking(build, slots)

    def write(self, x: Any, y: Any) -> None:
        """Rank the points around a query point."""
        build, f = self.build, self.f
        distance = self._search_distance(x, y)
        bottom = self._cell(build.fsub(y, distance), "bottom", "rows")
        top = self._cell(build.fadd(y, distance), "bottom", "rows")
        left = self._cell(build.fsub(x, distance), "left", "columns")
        right = build.add(self._cell(build.fadd(x, distance), "left", "columns"), whole(1))
        self.nearest.clear(f["k"])
        with counting(build, build.add(build.sub(top, bottom), whole(1))) as up:
            cell = build.mul(build.add(bottom, up), f["columns"])
            begin = load(build, f["starts"], build.add(cell, left))
            size = build.sub(load(build, f["starts"], build.add(cell, right)), begin)
            filled = build.icmp_signed(">", size, whole(0))
            with build.if_then(filled), counting(build, size) as ahead:
                point = build.add(begin, ahead)
                dx = build.fsub(load(build, f["x"], point), x)
                dy = build.fsub(load(build, f["y"], point), y)
                square = build.fadd(build.fmul(dx, dx), build.fmul(dy, dy))
                self.nearest.insert(f["k"], square, point)

    def _search_distance(self, x: Any, y: Any) -> Any:
        """Return a distance that is known to hold enough points."""
        build, f = self.build, self.f
        column, row = self._cell(x, "left", "columns"), self._cell(y, "bottom", "rows")
        rings = load(build, f["radius"], build.add(build.mul(row, f["columns"]), column))
        across = self._farthest_edge(build.fsub(x, f["left"]), column, rings, f["columns"])
        along = self._farthest_edge(build.fsub(y, f["bottom"]), row, rings, f["rows"])
        square = build.fadd(build.fmul(across, across), build.fmul(along, along))
        return build.fmul(root(build, square), number(grid.DISTANCE_MARGIN))

    def _cell(self, value: Any, edge: str, count: str) -> Any:
        """Return the column or row of a point, or the one at the edge."""
        build = self.build
        cells = build.fdiv(build.fsub(value, self.f[edge]), self.f["side"])
        last = build.sitofp(build.sub(self.f[count], whole(1)), FLOAT64)
        return build.fptosi(lesser(build, greater(build, cells, number(0.0)), last), INT64)

    def _farthest_edge(self, offset: Any, cell: Any, rings: Any, count: Any) -> Any:
        build, margin = self.build, number(grid.CELL_MARGIN)
        low, high = build.sub(cell, rings), build.add(build.add(cell, rings), whole(1))
        low = build.select(build.icmp_signed(">", low, whole(0)), low, whole(0))
        high = build.select(build.icmp_signed("<", high, count), high, count)
        nearer = build.fmul(build.fsub(build.sitofp(low, FLOAT64), margin), self.f["side"])
        farther = build.fmul(build.fadd(build.sitofp(high, FLOAT64), margin), self.f["side"])
        return greater(build, build.fsub(offset, nearer), build.fsub(farther, offset))
