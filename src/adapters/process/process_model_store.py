"""A model store in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from multiprocessing.connection import Connection
from threading import Lock, Timer
from typing import IO, Any
from weakref import finalize

from adapters.process.messages import Call, Fault, packed, unpacked
from application.ports import ModelStore
from domain.errors import ModelportError, Unavailable
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef, ModelVersion

_COMMAND = (sys.executable, "-P", "-m", "adapters.process.child")
_STOP_SECONDS = 5.0


class ProcessStore:
    """A `ModelStore` that forwards each call to the store that `build` makes in another process.

    So a server has neither the memory nor the interpreter lock of a store's libraries. The process
    is started at the first call, and anew where it has ended; it ends with this one, however this
    one ends. A call that takes more than `seconds` (`load_seconds` for a bundle) ends it too.

    `build` is pickled. Safe to use from several threads, which wait for each other.
    """

    def __init__(
        self,
        build: Callable[[], ModelStore],
        *,
        seconds: float = 60.0,
        load_seconds: float = 600.0,
    ) -> None:
        self._build = packed(build)
        self._seconds = seconds
        self._load_seconds = load_seconds
        self._calling = Lock()
        self._child: _Child | None = None

    def names(self) -> Sequence[str]:
        return list(self._call("names"))

    def versions(self, name: str) -> Sequence[ModelVersion]:
        return list(self._call("versions", name))

    def resolve(self, ref: ModelRef) -> ModelVersion:
        version: ModelVersion = self._call("resolve", ref)
        return version

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        version: ModelVersion = self._call("save", name, bundle, created_at, dict(details))
        return version

    def load(self, version: ModelVersion) -> Bundle:
        bundle: Bundle = self._call("load", version)
        return bundle

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        annotated: ModelVersion = self._call("annotate", version, dict(details))
        return annotated

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        self._call("set_alias", name, alias, to, expected)

    def close(self) -> None:
        """End the process; the next call starts another."""
        with self._calling:
            if self._child is not None:
                self._child.end()
                self._child = None

    def _call(self, method: str, *arguments: Any) -> Any:
        seconds = self._load_seconds if method in ("load", "save") else self._seconds
        with self._calling:
            if self._child is None or not self._child.alive:
                self._child = _Child(self._build)
            answer = self._child.ask(Call(method, arguments), seconds)
        if isinstance(answer, ModelportError):
            raise answer
        if isinstance(answer, Fault):
            raise RuntimeError(f"the process of the model store failed:\n{answer.traceback}")
        return answer


class _Child:
    """One process, from its start to its end."""

    def __init__(self, build: bytes) -> None:
        try:
            self._process = subprocess.Popen(
                _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise Unavailable(f"the process of the model store cannot start: {error}") from error
        self._calls = _connection(self._process.stdin, readable=False)
        self._answers = _connection(self._process.stdout, writable=False)
        self._unsent = [build]
        self._late = False
        self.end = finalize(self, _end, self._process, self._calls)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, call: Call, seconds: float) -> Any:
        """Return the answer, or the error that is the answer.

        Raises:
            Unavailable: the process ended without an answer, or had to be ended.
        """
        patience = Timer(seconds, self._lose_patience)
        patience.daemon = True
        patience.start()
        try:
            while self._unsent:
                self._calls.send_bytes(self._unsent.pop())
            self._calls.send_bytes(packed(call))
            return unpacked(self._answers.recv_bytes())
        except (EOFError, OSError) as error:
            code = self._process.wait()
            why = f"no answer within {seconds:g} seconds" if self._late else f"it ended with {code}"
            raise Unavailable(f"the process of the model store was lost: {why}") from error
        except BaseException:
            self._process.kill()  # else the answer would be taken for that of the next call
            raise
        finally:
            patience.cancel()

    def _lose_patience(self) -> None:
        self._late = True
        self._process.kill()


def _connection(pipe: IO[bytes] | None, **way: bool) -> Connection:
    assert pipe is not None
    with pipe:
        return Connection(os.dup(pipe.fileno()), **way)


def _end(process: "subprocess.Popen[bytes]", calls: Connection) -> None:
    """Let a process end by itself, since nobody can call it any more; make it where it does not."""
    calls.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
