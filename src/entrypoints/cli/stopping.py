"""How a command is stopped: SIGTERM and Ctrl-C raise an interrupt, which no library can lose."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer, current_thread, main_thread
from typing import NoReturn

_SECONDS = 0.05


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM, unless the caller of the process ignores this signal."""
    default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not default or current_thread() is not main_thread():
        yield
        return
    before = sys.unraisablehook
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _repeat_lost
    try:
        yield
    finally:
        sys.unraisablehook = before
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(*_: object) -> NoReturn:
    # `make` repeats a signal that its process group has received; clean-up must go on.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _repeat_lost(ignored: "sys.UnraisableHookArgs") -> None:
    """Send a signal again whose interrupt Python ignored, as it does in a callback of a weakref."""
    if not isinstance(ignored.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(ignored)
        return
    number = signal.SIGINT
    if isinstance(ignored.exc_value, Terminated):
        number = signal.SIGTERM
        signal.signal(number, _terminate)
    again = Timer(_SECONDS, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
