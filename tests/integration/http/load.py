"""Clients that ask a server without a pause, and keep every answer."""

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

_HEADERS = {"Content-Type": "application/json"}


@dataclass
class Load:
    """What came back so far: (row, model, prediction) of each answer, and what went wrong."""

    answers: list[tuple[int, str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def models(self) -> set[str]:
        """The versions that have answered."""
        return {model for _, model, _ in self.answers}


@contextmanager
def asking(url: str, rows: Sequence[dict[str, Any]], clients: int = 8) -> Iterator[Load]:
    """Let clients ask one row after the other, each on one connection, until the block is left."""
    load, stop = Load(), Event()
    bodies = [json.dumps({"data": [row]}) for row in rows]
    address = urlsplit(url)

    def ask(first: int) -> None:
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
        try:
            for turn in count(first):
                if stop.is_set():
                    return
                row = turn % len(bodies)
                connection.request("POST", "/predict", bodies[row], _HEADERS)
                response = connection.getresponse()
                content = response.read()
                if response.status != 200:
                    load.failures.append(f"{response.status}: {content.decode()}")
                    continue
                answer = json.loads(content)
                load.answers.append((row, answer["model"], answer["predictions"][0]))
        except (OSError, http.client.HTTPException) as error:
            load.failures.append(repr(error))
        finally:
            connection.close()

    threads = [Thread(target=ask, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join()
