"""The library that builds containers, without the frameworks it would import to work with them.

It imports whatever of them is installed, for a kind of wiring that nobody here uses. That would
take a third of a second at the start of every command.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_UNUSED = ("fastapi", "fast_depends", "pydantic_settings", "starlette", "werkzeug", "yaml")


@contextmanager
def _hidden(libraries: tuple[str, ...]) -> Iterator[None]:
    """Let libraries that are not imported yet seem not to be installed, in the block."""
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
