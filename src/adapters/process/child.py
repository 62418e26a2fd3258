"""The process that has the real store: it answers calls until whoever started it is gone.

Calls come on stdin and answers go to what was stdout; whatever a library prints goes to stderr.
"""

import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread, Timer
from traceback import format_exc

from adapters.process.messages import Call, Fault, packed, unpacked
from application.ports import ModelStore
from domain.errors import ModelportError

_NICENESS = 10
_GRACE_SECONDS = 1.0

_Messages = SimpleQueue[bytes | None]


def main() -> None:
    """Answer calls; the first message is what makes the store."""
    # Ctrl-C goes to both processes, and the one that answers callers decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    answers = Connection(os.dup(1), readable=False)
    os.dup2(2, 1)
    messages: _Messages = SimpleQueue()
    Thread(target=_receive, args=(Connection(0, writable=False), messages), daemon=True).start()
    answering: Answering | None = None
    while (message := messages.get()) is not None:
        if answering is None:
            answering = Answering(message)
            continue
        try:
            answers.send_bytes(answering(message))
        except BrokenPipeError:
            return


class Answering:
    """Answers with a store that is made at the first call, so that what is wrong can be told."""

    def __init__(self, build: bytes) -> None:
        self._build = build
        self._store: ModelStore | None = None

    def __call__(self, message: bytes) -> bytes:
        """Return the answer to a call, or the error that it ended with."""
        try:
            call: Call = unpacked(message)
            if self._store is None:
                build: Callable[[], ModelStore] = unpacked(self._build)
                self._store = build()
            return packed(getattr(self._store, call.method)(*call.arguments))
        except ModelportError as error:
            return packed(error)
        except Exception:  # noqa: BLE001 - whatever it is, the caller must hear of it
            return packed(Fault(format_exc()))


def _receive(calls: Connection, messages: _Messages) -> None:
    """Hand on what comes; when nothing can come any more, end, even in the middle of a call."""
    try:
        while True:
            messages.put(calls.recv_bytes())
    except (EOFError, OSError):
        ending = Timer(_GRACE_SECONDS, os._exit, (0,))
        ending.daemon = True
        ending.start()
        messages.put(None)


if __name__ == "__main__":
    main()
