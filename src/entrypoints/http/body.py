"""Reading the body of a request, within bounds, as JSON."""

from typing import Any

from pydantic_core import from_json
from starlette.requests import Request

from domain.errors import InvalidData, UnreadableData
from entrypoints.http.problems import UnsupportedMediaType, too_long


async def read_records(request: Request, max_bytes: int) -> list[Any]:
    """Return the list under `data`.

    Raises:
        UnsupportedMediaType: the body is said to be something else than JSON.
        TooLarge: it has more bytes than allowed; the rest is not read.
        UnreadableData: it is not JSON; says where.
        InvalidData: it is JSON of another form.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType
    return _records(await _read(request, max_bytes))


async def _read(request: Request, max_bytes: int) -> bytes:
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise too_long(max_bytes)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise too_long(max_bytes)
        parts.append(part)
    return b"".join(parts)


def _records(content: bytes) -> list[Any]:
    try:
        body = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise UnreadableData(f"the body is not JSON: {error}") from None
    allowed = 'allowed: {"data": [{…}, …]}'
    if not isinstance(body, dict) or "data" not in body:
        raise InvalidData(f"the body is not an object with the field 'data'; {allowed}")
    if len(body) > 1:
        raise InvalidData(f"the body has unknown fields beside 'data'; {allowed}")
    if not isinstance(body["data"], list):
        raise InvalidData(f"'data' is not a list; {allowed}")
    return body["data"]
