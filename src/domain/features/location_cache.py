"""A cache of the statistics of query points, so that each point is computed once."""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeAlias

import numpy as np

from domain.data.schema import Matrix

# The bytes of the numbers of a key cost half as much as a tuple, and NaN is equal to itself.
Key: TypeAlias = bytes

# A batch with more locations computes most of them again and again: emptying forgets them all.
# 42 columns take 44 MB when it is full, and the keys about 17 MB; memory is taken as it fills.
_CAPACITY = 1 << 17


class LocationCache:
    """Caches the rows that a function computes from keys; safe to use from several threads.

    `compute` takes keys of shape (keys, numbers) and returns one row of `width` numbers for each,
    which depends on the key only. So results do not depend on the cache. A full cache is emptied.
    """

    def __init__(
        self, compute: Callable[[Matrix], Matrix], width: int, capacity: int = _CAPACITY
    ) -> None:
        self._compute = compute
        self._width = width
        self._capacity = capacity
        self._rows = _CachedRows(width, capacity)
        self._lock = Lock()

    def write(self, keys: Matrix, out: Matrix) -> None:
        """Write the row of each key to `out`, shape (keys, width)."""
        if len(keys) <= self._capacity:
            self._write(_keys(keys), out)
        else:
            for start in range(0, len(keys), self._capacity):
                block = slice(start, start + self._capacity)
                self.write(keys[block], out[block])

    def _write(self, wanted: list[Key], out: Matrix) -> None:
        cached = self._rows
        slots: list[Any] = list(map(cached.slots.get, wanted))
        if None in slots:
            new = [key for key, slot in zip(wanted, slots, strict=True) if slot is None]
            cached = self._add(cached, list(dict.fromkeys(new)), wanted)
            slots = list(map(cached.slots.__getitem__, wanted))
        out[:] = cached.rows[slots[0]] if len(slots) == 1 else cached.rows.take(slots, axis=0)

    def _add(self, cached: "_CachedRows", new: list[Key], wanted: list[Key]) -> "_CachedRows":
        """Return rows that hold all wanted keys: `cached` if it has room for the new ones."""
        rows = self._compute(_numbers(new))
        with self._lock:
            if cached.add(new, rows):
                return cached
        distinct = list(dict.fromkeys(wanted))
        emptied = _CachedRows(self._width, self._capacity)
        emptied.add(distinct, self._compute(_numbers(distinct)))
        self._rows = emptied
        return emptied


class _CachedRows:
    """Rows and the slot of each key; a row is written before its slot can be read."""

    def __init__(self, width: int, capacity: int) -> None:
        self.rows = np.empty((capacity, width))
        self.slots: dict[Key, int] = {}

    def add(self, keys: list[Key], rows: Matrix) -> bool:
        """Add rows and return True, or False without room. Called by one thread at a time."""
        new = [position for position, key in enumerate(keys) if key not in self.slots]
        start = len(self.slots)
        if start + len(new) > len(self.rows):
            return False
        self.rows[start : start + len(new)] = rows.take(new, axis=0)
        self.slots.update((keys[position], slot) for slot, position in enumerate(new, start))
        return True


def _keys(numbers: Matrix) -> list[Key]:
    rows = np.ascontiguousarray(numbers, dtype=np.float64)
    found: list[Any] = (
        rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel().tolist()
    )
    return found


def _numbers(keys: list[Key]) -> Matrix:
    numbers: Matrix = np.frombuffer(b"".join(keys), dtype=np.float64).reshape(len(keys), -1)
    return numbers
