"""Errors of model stores for unknown references, the same from every store."""

from collections.abc import Iterable, Mapping

from domain.errors import Conflict, NotFound
from domain.model.reference import ModelRef

_SHOWN = 5


def unknown_model(name: str, known: Iterable[str]) -> NotFound:
    """Return the error for an unknown model; it names the known ones."""
    names = sorted(known)
    there = f"there is {', '.join(names)}" if names else "there are no models yet"
    return NotFound(f"no model {name!r}; {there}")


def unknown_version(ref: ModelRef, numbers: Iterable[int]) -> NotFound:
    """Return the error for an unknown version; it names the latest ones."""
    latest = sorted(numbers)[-_SHOWN:]
    there = f"the latest are {', '.join(map(str, latest))}" if latest else "it has no versions"
    return NotFound(f"{ref.name} has no version {ref.number}; {there}")


def unknown_alias(ref: ModelRef, aliases: Mapping[str, int]) -> NotFound:
    """Return the error for an unknown alias; `aliases` are the known ones with their versions."""
    known = ", ".join(f"{alias} (version {aliases[alias]})" for alias in sorted(aliases))
    there = f"it has {known}" if known else "it has no aliases yet"
    return NotFound(f"{ref.name} has no alias {ref.alias!r}; {there}")


def alias_moved(name: str, alias: str, actual: int | None, expected: int | None) -> Conflict:
    """Return the error for an alias that points elsewhere than expected; None: to no version."""
    return Conflict(
        f"{name}@{alias} points to {_version(actual)}, not to {_version(expected)} as expected: "
        f"it was moved in the meantime; nothing was changed"
    )


def _version(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"
