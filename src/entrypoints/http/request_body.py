"""Reading the body of a request, within bounds, as JSON."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from domain.errors import InvalidData
from domain.scoring.prediction import PredictionOptions
from entrypoints.http.problem_details import UnsupportedMediaType, too_long
from entrypoints.strict_json import read_json

_FIELDS = {"data", "interval", "extrapolates"}


def header(scope: Scope, name: bytes) -> bytes:
    """Return the first header of a name (in lower case), empty where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def require_json(scope: Scope) -> None:
    """Check what the body is said to be.

    Raises:
        UnsupportedMediaType: something else than JSON.
    """
    said = header(scope, b"content-type")
    if said != b"application/json" and _media_type(said) != b"application/json":
        raise UnsupportedMediaType


def _media_type(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """Return the body of a request.

    Raises:
        TooLarge: it has more bytes than allowed; the rest is not read.
        ClientDisconnect: the caller hung up before it was whole.
    """
    # Only a hint to refuse early: what counts is what comes.
    announced = header(scope, b"content-length")
    if announced.isdigit() and int(announced[:20]) > max_bytes:
        raise too_long(max_bytes)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise too_long(max_bytes)
        if not message.get("more_body", False):
            return b"".join(parts)


def read_question(content: bytes) -> tuple[list[Any], PredictionOptions]:
    """Return the list under `data`, and what else is asked for.

    Raises:
        UnreadableData: the body is not JSON; says where.
        InvalidData: it is JSON of another form.
    """
    body = read_json(content, "the body")
    allowed = 'allowed: {"data": [{…}, …]}'
    if not isinstance(body, dict) or "data" not in body:
        raise InvalidData(f"the body is not an object with the field 'data'; {allowed}")
    if not body.keys() <= _FIELDS:
        more = 'with "interval" and "extrapolates" if wanted'
        raise InvalidData(f"the body has unknown fields beside 'data'; {allowed}, {more}")
    if not isinstance(body["data"], list):
        raise InvalidData(f"'data' is not a list; {allowed}")
    return body["data"], _extras(body)


def _extras(body: Mapping[str, object]) -> PredictionOptions:
    interval, extrapolates = body.get("interval"), body.get("extrapolates", False)
    if isinstance(interval, bool) or not isinstance(interval, float | int | None):
        raise InvalidData("interval: is not a number; allowed: a level such as 0.9")
    if not isinstance(extrapolates, bool):
        raise InvalidData("extrapolates: is not true or false")
    return PredictionOptions(interval, extrapolates)
