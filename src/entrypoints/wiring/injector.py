"""Imports dependency_injector without the frameworks that it supports.

The library imports those that are installed. They are not used here, and would add a third of a
second to the start of every command.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

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


def later(module: str, name: str) -> Callable[..., Any]:
    """Return a function that calls the one of a module; the module is imported at the first call.

    A server thus starts without the use cases of training, promotion and experiments.
    """

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **options)

    return call


with _hidden(_UNUSED):
    from dependency_injector import containers, providers

__all__ = ["containers", "later", "providers"]
