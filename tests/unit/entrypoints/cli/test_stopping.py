import os
import signal
import weakref
from collections.abc import Iterator
from threading import Thread
from time import sleep

import pytest

from entrypoints.cli.stopping import Terminated, stoppable


@pytest.fixture(autouse=True)
def _default_signal() -> Iterator[None]:
    """Replace the handler that the run of the tests may have."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


class Anything:
    """An object that a weakref can point to."""


def lose(sign: signal.Signals) -> None:
    """Receive a signal while Python runs the callback of a weakref, which ignores all errors."""
    anything = Anything()

    def callback(_: object) -> None:
        os.kill(os.getpid(), sign)
        sleep(1)

    watched = weakref.ref(anything, callback)
    del anything
    assert watched() is None
    for _ in range(500):  # the signal comes again
        sleep(0.01)


@pytest.mark.parametrize(
    ("sign", "kind"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_that_a_callback_has_lost_comes_again(
    sign: signal.Signals, kind: type[BaseException]
) -> None:
    with pytest.raises(kind), stoppable():
        lose(sign)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_signal_does_not_disturb_the_clean_up() -> None:
    cleaned = []

    def clean_up() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)

    with pytest.raises(Terminated), stoppable():
        clean_up()
    assert cleaned


def test_another_thread_changes_no_signal() -> None:
    found = []

    def look() -> None:
        with stoppable():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


def test_a_signal_that_the_caller_of_the_process_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with stoppable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
