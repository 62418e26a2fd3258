"""Remembering what was worked out for a place, so that it is worked out once."""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeAlias

import numpy as np

from domain.data.schema import Matrix

# The bytes of a key's numbers: half the cost of a tuple of them, and NaN is equal to itself.
Key: TypeAlias = bytes

_MOST_KEPT = 1 << 15


class LocationCache:
    """Keeps the rows that a function makes of keys; safe to use from several threads.

    `work_out` takes keys of shape (keys, parts) and returns one row of `width` numbers for each,
    which must depend on nothing but the key: then it does not matter what is remembered. When
    `most` rows are kept, all are let go.
    """

    def __init__(
        self, work_out: Callable[[Matrix], Matrix], width: int, most: int = _MOST_KEPT
    ) -> None:
        self._work_out = work_out
        self._width = width
        self._most = most
        self._kept = _Kept(width, most)
        self._lock = Lock()

    def write(self, keys: Matrix, out: Matrix) -> None:
        """Write the row of each key to `out`, shape (keys, width)."""
        if len(keys) <= self._most:
            self._write(_keys(keys), out)
        else:
            for start in range(0, len(keys), self._most):
                part = slice(start, start + self._most)
                self.write(keys[part], out[part])

    def _write(self, wanted: list[Key], out: Matrix) -> None:
        kept = self._kept
        slots: list[Any] = list(map(kept.slots.get, wanted))
        if None in slots:
            lacking = [key for key, slot in zip(wanted, slots, strict=True) if slot is None]
            kept = self._learn(kept, list(dict.fromkeys(lacking)), wanted)
            slots = list(map(kept.slots.__getitem__, wanted))
        out[:] = kept.rows[slots[0]] if len(slots) == 1 else kept.rows.take(slots, axis=0)

    def _learn(self, kept: "_Kept", lacking: list[Key], wanted: list[Key]) -> "_Kept":
        """Return what holds all that is wanted: what there is with what was lacking, or anew."""
        rows = self._work_out(_numbers(lacking))
        with self._lock:
            if kept.add(lacking, rows):
                return kept
        distinct = list(dict.fromkeys(wanted))
        fresh = _Kept(self._width, self._most)
        fresh.add(distinct, self._work_out(_numbers(distinct)))
        self._kept = fresh
        return fresh


class _Kept:
    """Rows and where each stands; a row is written before anybody can learn where."""

    def __init__(self, width: int, most: int) -> None:
        self.rows = np.empty((most, width))
        self.slots: dict[Key, int] = {}

    def add(self, keys: list[Key], rows: Matrix) -> bool:
        """Keep rows; returns whether there was room. Called by one thread at a time."""
        new = [place for place, key in enumerate(keys) if key not in self.slots]
        start = len(self.slots)
        if start + len(new) > len(self.rows):
            return False
        self.rows[start : start + len(new)] = rows.take(new, axis=0)
        self.slots.update((keys[place], start + at) for at, place in enumerate(new))
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
