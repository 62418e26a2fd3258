"""The body of a request, read within its limit and validated by a pydantic model."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from domain.errors import InvalidData
from entrypoints.http.error_responses import UnsupportedMediaType, body_too_large

# A longer body is decoded on a thread, so that smaller requests do not wait for it.
MAX_BYTES_ON_LOOP = 16_384

_Model = TypeVar("_Model", bound=BaseModel)


class RequestModel(BaseModel):
    """Part of a request: neither unknown fields nor conversions of types are allowed."""

    model_config = ConfigDict(extra="forbid", strict=True)


def header(scope: Scope, name: bytes) -> bytes:
    """Return the first header of a name (in lower case), empty where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def is_json(scope: Scope) -> bool:
    """Whether the body is announced as JSON."""
    announced = header(scope, b"content-type")
    return announced == b"application/json" or _media_type(announced) == b"application/json"


def require_json(scope: Scope) -> None:
    """Check that the body is announced as JSON.

    Raises:
        UnsupportedMediaType: it is announced as something else.
    """
    if not is_json(scope):
        raise UnsupportedMediaType


def exceeds(scope: Scope, max_bytes: int) -> bool:
    """Whether more bytes are announced than allowed: a hint only, the bytes received count."""
    announced = header(scope, b"content-length")
    return announced.isdigit() and int(announced[:20]) > max_bytes


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """Return the body of a request.

    Raises:
        TooLarge: it has more bytes than allowed; the rest is not read.
        ClientDisconnect: the caller disconnected before the end of the body.
    """
    if exceeds(scope, max_bytes):
        raise body_too_large(max_bytes)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise body_too_large(max_bytes)
        if not message.get("more_body", False):
            return b"".join(parts)


def validated(model: type[_Model], value: object, allowed: str) -> _Model:
    """Return a JSON value as a model; `allowed` completes each message.

    Raises:
        InvalidData: a field is invalid; the message names it and repeats no value.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidData(f"{_problem(error.errors()[0])}; {allowed}") from None


def _problem(error: Mapping[str, Any]) -> str:
    """Return field and problem; the name of an unknown field is the caller's, so it is left out."""
    location, kind = error["loc"], error["type"]
    last_is_field = kind in ("missing", "extra_forbidden")
    parts = (
        f"[{p}]" if isinstance(p, int) else f".{p}"
        for p in location[: -1 if last_is_field else None]
    )
    where = "".join(parts).removeprefix(".") or "the body"
    if kind == "extra_forbidden":
        return f"{where}: has an unknown field"
    if kind == "missing":
        return f"{where}: has no {location[-1]}"
    if kind in ("model_type", "dict_type"):
        return f"{where}: is not an object"
    if kind == "list_type":
        return f"{where}: is not a list"
    message = error["msg"].replace("Input should be", "is not").replace(" after validation", "")
    return f"{where}: {message}"


def _media_type(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()
