"""Which extra installs a library that is not installed."""

import re
from collections.abc import Callable
from functools import wraps
from importlib.metadata import requires
from importlib.util import find_spec
from typing import ParamSpec, TypeVar

from domain.errors import Misconfigured, ModelportError

Given = ParamSpec("Given")
Built = TypeVar("Built")

_OURS = ("domain", "application", "adapters", "entrypoints")
# The distribution of a library whose name differs from it.
_DISTRIBUTIONS = {
    "botocore": "s3fs",
    "dotenv": "python-dotenv",
    "fastapi_swagger": "fastapi-swagger",
    "joblib": "scikit-learn",
    "jupyter_client": "nbclient",
    "markdown_it": "markdown-it-py",
    "opentelemetry": "opentelemetry-sdk",
    "prometheus_client": "prometheus-client",
    "sklearn": "scikit-learn",
}


def needs(
    extra: str, error_type: type[ModelportError] = Misconfigured
) -> Callable[[Callable[Given, Built]], Callable[Given, Built]]:
    """Decorate a builder: a missing library is reported with the extra that installs it."""

    def decorate(build: Callable[Given, Built]) -> Callable[Given, Built]:
        @wraps(build)
        def building(*args: Given.args, **kwargs: Given.kwargs) -> Built:
            try:
                return build(*args, **kwargs)
            except ModuleNotFoundError as error:
                if _is_ours(error):
                    raise
                raise error_type(_message(error, extra)) from error

        return building

    return decorate


def explain_missing(error: ModuleNotFoundError) -> Misconfigured | None:
    """Return an error that says how to install the library; None for a module of the project."""
    return None if _is_ours(error) else Misconfigured(_message(error, _extra_of(_library(error))))


def require(library: str) -> None:
    """Check that a library is installed that the adapter imports only later."""
    if not is_installed(library):
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)


def is_installed(library: str) -> bool:
    """Return whether a library can be imported."""
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:
        return False


def _library(error: ModuleNotFoundError) -> str:
    return str(error.name).partition(".")[0]


def _is_ours(error: ModuleNotFoundError) -> bool:
    return _library(error) in _OURS


def _message(error: ModuleNotFoundError, extra: str) -> str:
    target = f"'.[{extra}]'" if extra else "."
    return f"{error.name} is not installed; it comes with pip install {target}"


def _extra_of(library: str) -> str:
    """Return the first extra that requires a library; empty if every installation has it."""
    wanted = _DISTRIBUTIONS.get(library, library)
    for requirement in requires("modelport") or ():
        found = re.match(r"[A-Za-z0-9._-]+", requirement)
        if found and found[0].lower().replace("_", "-") == wanted.lower().replace("_", "-"):
            extra = re.search(r"extra == [\"']([a-z]+)[\"']", requirement)
            return extra[1] if extra else ""
    return ""
