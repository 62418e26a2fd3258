"""Imports dependency_injector without the frameworks that it supports.

The library imports those that are installed. They are not used here, and would add a third of a
second to the start of every command.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_UNUSED = ("fastapi", "fast_depends", "pydantic_settings", "starlette", "werkzeug", "yaml")


@contextmanager
def _hidden(libraries: tuple[str, ...]) -> Iterator[None]:
    """Within the block, make libraries that are not imported yet appear not installed."""
    hidden = {name: None for name in libraries if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _hidden(_UNUSED):
    from dependency_injector import containers, providers

__all__ = ["containers", "providers"]
