"""Reading the body of a request, within bounds, as JSON."""

from typing import Any

from starlette.requests import Request

from domain.errors import InvalidData
from entrypoints.http.problems import UnsupportedMediaType, too_long
from entrypoints.json_text import read_json


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
    # Only a hint to refuse early: what counts is what comes.
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > max_bytes:
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
    body = read_json(content, "the body")
    allowed = 'allowed: {"data": [{…}, …]}'
    if not isinstance(body, dict) or "data" not in body:
        raise InvalidData(f"the body is not an object with the field 'data'; {allowed}")
    if len(body) > 1:
        raise InvalidData(f"the body has unknown fields beside 'data'; {allowed}")
    if not isinstance(body["data"], list):
        raise InvalidData(f"'data' is not a list; {allowed}")
    return body["data"]
