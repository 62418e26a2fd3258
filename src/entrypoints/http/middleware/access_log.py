"""One line of JSON per request, written behind the back of the requests."""

import json
from asyncio import Task, create_task, sleep, to_thread
from collections.abc import Callable
from time import gmtime, strftime, time
from typing import TextIO

from entrypoints.http.middleware.request_context import RequestContext

_SECONDS = 0.2
_MOST = 100_000


class AccessLog:
    """Gathers lines and writes them a few times a second, on a thread that may be made to wait.

    Where nobody takes the lines they are dropped, and counted in `dropped`, rather than answers
    held up or the memory filled.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time) -> None:
        self._out = out
        self._clock = clock
        self._lines: list[str] = []
        self._second = 0
        self._written = ""
        self._labels: dict[str, str] = {}
        self._writing: Task[None] | None = None
        self.dropped = 0

    def record(self, exchange: RequestContext, seconds: float, method: str) -> None:
        """Log one request. Whatever is put in without escapes here is known to need none."""
        if len(self._lines) >= _MOST:
            self.dropped += 1
            return
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._written = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        line = (
            f'{{"time":"{self._written}.{int((now - second) * 1000):03d}Z",'
            f'"request_id":"{exchange.id.decode()}","method":"{method}",'
            f'"route":"{exchange.place.name}","status":{exchange.status},"ms":{seconds * 1000:.3f},'
            f'"rows":{exchange.rows},"model":{self._quoted(exchange.model)},'
            f'"key":"{exchange.key}"}}\n'
        )
        self._lines.append(line)

    def _quoted(self, model: str) -> str:
        quoted = self._labels.get(model)
        if quoted is None:
            quoted = self._labels[model] = json.dumps(model)
        return quoted

    def start(self) -> None:
        """Begin to write, on the running event loop."""
        self._writing = create_task(self._write_on())

    async def stop(self) -> None:
        """Write what is left, and end."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        self.flush()

    def flush(self) -> None:
        """Write the lines that there are."""
        lines, self._lines = self._lines, []
        if lines:
            self._out.write("".join(lines))
            self._out.flush()

    async def _write_on(self) -> None:
        while True:
            await sleep(_SECONDS)
            if self._lines:
                await to_thread(self.flush)
