"""Compressed bodies: `Content-Encoding` gzip and deflate, unpacked before any route.

The limit of bytes applies to the body as it is sent and as it is unpacked; what unpacks to more is
not unpacked further.
"""

import zlib
from asyncio import to_thread
from collections.abc import Awaitable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.errors import ModelportError, UnreadableData
from entrypoints.http.error_responses import body_too_large, error_response
from entrypoints.http.middleware.request_context import record_error
from entrypoints.http.request_body import header, read_body
from entrypoints.http.route_table import route_of

_ALLOWED = "gzip, deflate"
_WINDOWS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_REPLACED = (b"content-encoding", b"content-length")

# A longer body is unpacked on a thread: it may become a thousand times as long.
_MAX_BYTES_ON_LOOP = 1_024
# A gzip file may consist of several members; each costs a copy of what follows.
_MAX_MEMBERS = 100


class ContentDecoding:
    """Wraps an application, which gets every body unpacked."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        if scope["method"] != "POST" or not header(scope, b"content-encoding"):
            return self._app(scope, receive, send)
        return self._decode(scope, receive, send)

    async def _decode(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            encoding = _content_encoding(scope)
            content = await read_body(scope, receive, self._max_bytes)
            if encoding and len(content) > _MAX_BYTES_ON_LOOP:
                content = await to_thread(unpack, content, encoding, self._max_bytes)
            elif encoding:
                content = unpack(content, encoding, self._max_bytes)
        except ClientDisconnect:
            return
        except (HTTPException, ModelportError) as error:
            record_error(scope, error)
            response = error_response(route_of(scope["path"]).protocol, error)
            await response(scope, receive, send)
            return
        await self._app(_plain(scope, len(content)), _replay(content, receive), send)


def unpack(content: bytes, encoding: str, limit: int) -> bytes:
    """Return a compressed body unpacked.

    Raises:
        TooLarge: it has more bytes than the limit.
        UnreadableData: it is not of the encoding, cut off, or followed by other bytes.
    """
    parts: list[bytes] = []
    window, left = _window(content, encoding), limit
    while content or not parts:
        unpacker = zlib.decompressobj(window)
        try:
            part = unpacker.decompress(content, left + 1)
        except zlib.error:
            raise UnreadableData(
                f"the body is not valid {encoding}, its content encoding"
            ) from None
        if len(part) > left:
            raise body_too_large(limit)
        if not unpacker.eof:
            raise UnreadableData(f"the body is cut off: its {encoding} stream has no end")
        parts.append(part)
        left -= len(part)
        content = unpacker.unused_data
        if content and (encoding == "deflate" or len(parts) == _MAX_MEMBERS):
            raise UnreadableData(f"the body has more bytes after its {encoding} stream")
    return b"".join(parts)


def _window(content: bytes, encoding: str) -> int:
    """Return the window of zlib; some callers send deflate without the header of zlib."""
    if encoding == "deflate" and not (
        content[:1] and content[0] & 15 == zlib.DEFLATED and int.from_bytes(content[:2]) % 31 == 0
    ):
        return -zlib.MAX_WBITS
    return _WINDOWS[encoding]


def _content_encoding(scope: Scope) -> str:
    """Return the encoding of the body; empty if it has none.

    Raises:
        HTTPException: it is not supported, or there are several.
    """
    given = ",".join(Headers(scope=scope).getlist("content-encoding")).lower().split(",")
    encodings = [name for name in map(str.strip, given) if name not in ("", "identity")]
    if not encodings:
        return ""
    if len(encodings) > 1 or encodings[0] not in _WINDOWS:
        detail = f"the content encoding of the body is not supported; allowed: {_ALLOWED}"
        raise HTTPException(415, detail, {"Accept-Encoding": _ALLOWED})
    return encodings[0]


def _plain(scope: Scope, size: int) -> Scope:
    """Return the scope of the same request with the unpacked body."""
    headers = [each for each in scope["headers"] if each[0] not in _REPLACED]
    return {**scope, "headers": [*headers, (b"content-length", b"%d" % size)]}


def _replay(content: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body first, and what comes after it then."""
    left: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay
