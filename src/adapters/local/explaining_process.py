"""Explanations in a child process: the libraries that explain hold the interpreter lock (GIL)."""

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe, get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from threading import Lock
from traceback import format_exc
from typing import Any, TypeAlias

from adapters.local.executors import end_with_parent
from application.model.serving_form import require_file
from application.ports import Explainer, Explainers
from domain.data.schema import Matrix, Schema
from domain.errors import Unavailable
from domain.features.encoding import ENCODING, FeatureEncoding
from domain.scoring.explanation import FeatureContributions

# Predictions of the parent come first where cores are scarce.
_NICENESS = 5
# Whoever ends the group of processes ends the parent, which answers its last requests.
# SIGTERM is not among them: `multiprocessing` sends it at exit, and waits for the end.
_BLOCKED = (signal.SIGINT, signal.SIGHUP)

_Load: TypeAlias = Callable[[], Explainer]


@dataclass(frozen=True, slots=True)
class ProcessExplainers:
    """`Explainers` whose explainers each have a process; `build` is picklable, and runs in it."""

    build: Callable[[], Explainers]

    def load(self, encoding: FeatureEncoding, files: Mapping[str, bytes]) -> Explainer:
        """Return the explainer once its process has loaded it.

        Raises:
            ArtefactRejected, NotSupported: as the explainers that `build` returns.
            Unavailable: the process has ended.
        """
        explainer = ProcessExplainer(partial(_load, self.build, encoding.schema, dict(files)))
        explainer.start()
        return explainer


class ProcessExplainer:
    """An `Explainer` in a child process, which is started again after it has ended.

    The process is killed when the explainer is garbage, and when this process exits.
    """

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._lock = Lock()
        self._connection: Connection | None = None

    def start(self) -> None:
        """Start the process, and wait until it has loaded the explainer."""
        with self._lock:
            self._connected()

    def explain(self, columns: Matrix) -> FeatureContributions:
        with self._lock:
            contributions: FeatureContributions = self._exchanged(self._connected(), columns)
        return contributions

    def _connected(self) -> Connection:
        if self._connection is None:
            ours, theirs = Pipe()
            process = get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
            _start_without_signals(process)
            theirs.close()
            Finalize(self, _kill, (process,), exitpriority=0)
            self._exchanged(ours, self._load)
            self._connection = ours
        return self._connection

    def _exchanged(self, connection: Connection, sent: object) -> Any:
        try:
            connection.send(sent)
            answer = connection.recv()
        except (OSError, EOFError) as error:
            self._connection = None
            raise Unavailable(
                "the process that explains has ended; a new one starts when asked again"
            ) from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _load(build: Callable[[], Explainers], schema: Schema, files: Mapping[str, bytes]) -> Explainer:
    require_file(files, ENCODING)
    return build().load(FeatureEncoding.from_files(schema, files), files)


def _start_without_signals(process: BaseProcess) -> None:
    """Start a process that does not receive the signals, from its first moment on."""
    resource_tracker.ensure_running()  # its first start would unblock the signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill(process: BaseProcess) -> None:
    process.kill()
    process.join()


def _serve(connection: Connection) -> None:
    """Load an explainer, and explain what the parent sends until it ends.

    The files of the explainer come by the connection: its end is noticed without a traceback.
    """
    end_with_parent()
    os.nice(_NICENESS)
    with suppress(OSError, EOFError):
        load: _Load = connection.recv()
        try:
            explainer = load()
        except Exception as error:  # noqa: BLE001 - the parent raises it
            connection.send(_with_traceback(error))
            return
        connection.send(None)
        while True:
            columns = connection.recv()
            try:
                answer: object = explainer.explain(columns)
            except Exception as error:  # noqa: BLE001 - the parent raises it
                answer = _with_traceback(error)
            connection.send(answer)


def _with_traceback(error: Exception) -> Exception:
    """Return an error that carries its traceback as a note, since pickling drops it."""
    error.add_note(format_exc())
    return error
