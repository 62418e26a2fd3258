"""The access log: one line of JSON per request."""

import json
from asyncio import to_thread
from collections.abc import Callable
from time import gmtime, strftime, time
from typing import TextIO

from entrypoints.http.middleware.request_context import RequestContext

_MAX_LINES = 100_000


class AccessLog:
    """Buffers lines until `flush` writes them.

    When the buffer is full, lines are dropped and counted in `dropped`: neither responses nor
    memory depend on the reader of the log.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time) -> None:
        self._out = out
        self._clock = clock
        self._lines: list[str] = []
        self._second = 0
        self._formatted_second = ""
        self._quoted_models: dict[str, str] = {}
        self.dropped = 0

    def record(self, context: RequestContext, seconds: float, method: str) -> None:
        """Log one request. The values that are inserted unquoted need no JSON escapes."""
        if len(self._lines) >= _MAX_LINES:
            self.dropped += 1
            return
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._formatted_second = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        line = (
            f'{{"time":"{self._formatted_second}.{int((now - second) * 1000):03d}Z",'
            f'"request_id":"{context.id.decode()}","method":"{method}",'
            f'"route":"{context.route.name}","status":{context.status},"ms":{seconds * 1000:.3f},'
            f'"rows":{context.rows},"model":{self._quoted(context.model)},'
            f'"key":"{context.key}"}}\n'
        )
        self._lines.append(line)

    def _quoted(self, model: str) -> str:
        quoted = self._quoted_models.get(model)
        if quoted is None:
            quoted = self._quoted_models[model] = json.dumps(model)
        return quoted

    async def flush(self) -> None:
        """Write the buffered lines on a thread, since the reader of the log may be slow."""
        lines, self._lines = self._lines, []
        if lines:
            await to_thread(self._write, "".join(lines))

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
