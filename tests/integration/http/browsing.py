"""A tab of Chromium that a test drives by the DevTools protocol."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from websockets.sync.client import ClientConnection, connect

from tests.integration.processes import START_SECONDS, STOP_SECONDS
from tests.support.leaving_out import leave_out
from tests.support.waiting import wait_until

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    # Whoever asks for another host is told that there is none.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1280,2400",
)


def chromium() -> str:
    """Return the path of Chromium; where it cannot be had a test is left out, never in CI."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        leave_out("needs Chromium: apt-get install chromium")
    return found


@dataclass
class Tab:
    """An open page."""

    socket: ClientConnection
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def go(self, url: str) -> None:
        """Start to load a page."""
        self._call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Wait until an expression has a true value, and return that."""
        found: list[Any] = []

        def true() -> bool:
            found[:] = [self.value(expression)]
            return bool(found[0])

        wait_until(true, START_SECONDS, lambda: self.value("document.body.innerText"))
        return found[0]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(START_SECONDS))
            if answer.get("id") == number:
                return dict(answer["result"])


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """Open a browser with one tab; both are gone afterwards."""
    port_file, log = folder / "profile" / "DevToolsActivePort", folder / "chromium.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                chromium(),
                *OPTIONS,
                f"--user-data-dir={port_file.parent}",
                "--remote-debugging-port=0",
            ],
            stdout=out,
            stderr=out,
            env={**os.environ, "HOME": str(folder)},
        )
    try:
        wait_until(
            lambda: process.poll() is not None or _port(port_file) is not None,
            START_SECONDS,
            log.read_text,
        )
        request = Request(f"http://127.0.0.1:{_port(port_file)}/json/new", method="PUT")
        with urlopen(request, timeout=START_SECONDS) as answer:
            address = json.load(answer)["webSocketDebuggerUrl"]
        with connect(address, max_size=None, open_timeout=START_SECONDS) as socket:
            yield Tab(socket)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _port(file: Path) -> int | None:
    try:
        return int(file.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError):
        return None
