"""The body of a request, read within its limit."""

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from entrypoints.http.error_responses import UnsupportedMediaType, body_too_large


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


def _media_type(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()
