"""What two processes of one program tell each other, as bytes."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """A method of the port, and what it is called with."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What a call raised that is no error of the domain: a traceback, for the log."""

    traceback: str


def _read_only(mapping: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(mapping)


class _Pickler(pickle.Pickler):
    # The domain's read-only mappings, which pickle does not know how to copy.
    dispatch_table: Mapping[type, Callable[[Any], Any]] = {
        MappingProxyType: lambda mapping: (_read_only, (dict(mapping),))
    }


def packed(message: object) -> bytes:
    """Return a message as bytes: only for a process that this one has started or been started by.

    Whoever reads them back runs what they say, so that they never leave the two processes' pipes.
    """
    content = BytesIO()
    _Pickler(content, pickle.HIGHEST_PROTOCOL).dump(message)
    return content.getvalue()


def unpacked(content: bytes) -> Any:
    """Return the message."""
    return pickle.loads(content)
