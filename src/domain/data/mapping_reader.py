"""Reading values of known type out of nested mappings that people or other programs wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.errors import Misconfigured

_ABSENT: Any = object()


@dataclass(slots=True)
class Reader:
    """Takes keys out of a mapping one by one; `finish` refuses what is left over.

    Raises `Misconfigured`, which names the place, for a missing key or a wrong type.
    """

    mapping: Any
    where: str
    _taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not isinstance(self.mapping, Mapping):
            raise Misconfigured(f"{self.where}: expected a table of keys and values")

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self.mapping

    def whole(self, key: str) -> int:
        """Return an integer."""
        value = self._take(key)
        if isinstance(value, bool):
            raise self._wrong(key, "expected an integer")
        return int(self._typed(key, value, int, "an integer"))

    def number(self, key: str) -> float:
        """Return a float."""
        return self._float(key, self._take(key), "a number")

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings, empty where the key is absent."""
        values = self._typed(key, self._take(key, ()), (list, tuple), "a list")
        return tuple(str(self._typed(key, value, str, "a list of texts")) for value in values)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a list of floats."""
        values = self._typed(key, self._take(key), (list, tuple), "a list")
        return tuple(self._float(key, value, "a list of numbers") for value in values)

    def items(self, key: str) -> list[Any]:
        """Return a list as it stands."""
        return [*self._typed(key, self._take(key), (list, tuple), "a list")]

    def table(self, key: str) -> "Reader":
        """Return the reader of a nested mapping."""
        return Reader(self._take(key), f"{self.where}: {key}")

    def mapping_of(self, key: str) -> dict[str, Any]:
        """Return a nested mapping as it stands."""
        return dict(self._typed(key, self._take(key), Mapping, "a table"))

    def finish(self) -> None:
        """Refuse keys that nobody asked for."""
        unknown = [str(key) for key in self.mapping if key not in self._taken]
        if unknown:
            known = ", ".join(sorted(self._taken))
            raise Misconfigured(
                f"{self.where}: unknown key {', '.join(map(repr, unknown))}; allowed: {known}"
            )

    def _take(self, key: str, default: Any = _ABSENT) -> Any:
        self._taken.add(key)
        value = self.mapping.get(key, default)
        if value is _ABSENT:
            raise self._wrong(key, "is missing")
        return value

    def _float(self, key: str, value: object, words: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, f"expected {words}")
        try:
            return float(value)
        except OverflowError:
            raise self._wrong(key, "is beyond the largest number") from None

    def _typed(self, key: str, value: Any, kind: Any, words: str) -> Any:
        if not isinstance(value, kind):
            raise self._wrong(key, f"expected {words}")
        return value

    def _wrong(self, key: str, problem: str) -> Misconfigured:
        return Misconfigured(f"{self.where}: {key}: {problem}")
