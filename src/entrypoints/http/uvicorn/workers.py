"""The supervisor of several worker processes behind one listening socket.

The socket listens once every worker has loaded the model or has failed to. From then on, a worker
accepts connections once it has a model; without any model, all of them do, to say so.
"""

import logging
import signal
import sys
from collections.abc import Iterator, MutableSequence
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.sharedctypes import RawArray
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET, socket, socketpair
from time import monotonic

from uvicorn import Config
from uvicorn._subprocess import get_subprocess
from uvicorn.config import STARTUP_FAILURE

from entrypoints.http.uvicorn.worker_server import CLOSED, Command, Report, run_worker

log = logging.getLogger("modelport")

_TICK_SECONDS = 0.2
# A new process imports its libraries and loads the model before its first report.
_START_SECONDS = 60.0
_MAX_BACK_OFF_SECONDS = 30.0
_KILL_SECONDS = 5.0


def bind(config: Config) -> socket:
    """Return a socket that is bound to the configured address and does not listen yet.

    The program ends if the address is taken.
    """
    listener = socket(AF_INET6 if ":" in config.host else AF_INET)
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
    except OSError as error:
        log.error("%s", error)
        sys.exit(STARTUP_FAILURE)
    return listener


class Worker:
    """A worker process and what it has reported."""

    def __init__(
        self, config: Config, listener: socket, counts: MutableSequence[int], own: int
    ) -> None:
        self.channel, other_end = socketpair()
        self.channel.setblocking(False)
        self.own = own
        target = partial(run_worker, config, other_end, counts, own)
        self.process = get_subprocess(config, target, [listener])
        self.process.start()
        other_end.close()
        self.report: Report | None = None
        self.told: set[Command] = set()
        # How long it has not reported; counts only time in which the supervisor runs.
        self.silent_seconds = 0.0

    @property
    def accepts(self) -> bool:
        """Whether it was told to accept connections."""
        return Command.ACCEPT in self.told

    @property
    def has_model(self) -> bool:
        """Whether it has reported a model."""
        return self.report is Report.MODEL

    def read(self) -> None:
        """Read its reports."""
        try:
            reports = self.channel.recv(4096)
        except OSError:
            return
        if reports:
            self.report = Report(reports[-1:])
            self.silent_seconds = 0.0

    def tell(self, command: Command) -> None:
        """Send a command, once."""
        if command not in self.told:
            self.told.add(command)
            try:
                self.channel.send(command.value)
            except OSError:
                log.debug("worker %s has ended", self.process.pid)

    def close(self) -> None:
        """Wait for the end of the process, and release what belongs to it."""
        self.process.join()
        self.channel.close()


class Workers:
    """Starts, replaces, reloads and stops the worker processes.

    SIGHUP reloads: each worker is replaced after its successor accepts connections.
    """

    def __init__(self, config: Config, listener: socket) -> None:
        self._config, self._listener = config, listener
        self._workers: list[Worker] = []
        self._outdated: list[Worker] = []
        self._retired: list[Worker] = []
        self._signals: list[int] = []
        self._listening = False
        self._failures, self._start_at = 0, 0.0
        # While workers are replaced, there are at most twice as many.
        self._counts = RawArray("i", [CLOSED] * (2 * config.workers + 1))

    def run(self) -> None:
        """Run until SIGTERM or SIGINT; the program ends if no worker can start."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda given, _: self._signals.append(given))
        try:
            last = monotonic()
            while not {signal.SIGINT, signal.SIGTERM} & {*self._signals}:
                self._start_missing()
                wait([*self._waited_for()], _TICK_SECONDS)
                # After a pause of the whole machine, the workers get time to report.
                last, elapsed = monotonic(), min(monotonic() - last, 5 * _TICK_SECONDS)
                self._read_reports()
                self._kill_silent(elapsed)
                self._remove_ended()
                self._open()
                self._reload()
        finally:
            self._stop()

    def _waited_for(self) -> Iterator[int | socket]:
        for worker in self._workers:
            yield worker.channel
        for worker in (*self._workers, *self._retired):
            yield worker.process.sentinel

    def _start_missing(self) -> None:
        while len(self._workers) < self._config.workers and monotonic() >= self._start_at:
            self._start()

    def _start(self) -> None:
        taken = {worker.own for worker in (*self._workers, *self._retired)}
        own = min({*range(len(self._counts))} - taken)
        self._workers.append(Worker(self._config, self._listener, self._counts, own))

    def _read_reports(self) -> None:
        for worker in self._workers:
            worker.read()

    def _kill_silent(self, elapsed: float) -> None:
        retired_limit = (self._config.timeout_graceful_shutdown or 0) + _KILL_SECONDS
        for worker in (*self._workers, *self._retired):
            worker.silent_seconds += elapsed
            limit = self._config.timeout_worker_healthcheck if worker.report else _START_SECONDS
            if worker.silent_seconds > (retired_limit if worker in self._retired else limit):
                log.error("worker %s does not respond; it is killed", worker.process.pid)
                worker.process.kill()
                worker.process.join()

    def _remove_ended(self) -> None:
        for worker in [w for w in (*self._workers, *self._retired) if not w.process.is_alive()]:
            worker.close()
            self._counts[worker.own] = CLOSED
            if worker in self._retired:
                self._retired.remove(worker)
                continue
            self._workers.remove(worker)
            code = worker.process.exitcode
            if code == STARTUP_FAILURE and not self._listening:
                log.error("worker %s cannot start; the server stops", worker.process.pid)
                sys.exit(STARTUP_FAILURE)
            log.error("worker %s has ended (%s); it is replaced", worker.process.pid, code)
            self._back_off(worker)

    def _back_off(self, ended: Worker) -> None:
        """Delay the next start if a worker ended before it could accept; cancel a reload."""
        if ended.accepts:
            self._failures = 0
            return
        self._start_at = monotonic() + min(2.0**self._failures / 2, _MAX_BACK_OFF_SECONDS)
        self._failures += 1
        if self._outdated:
            log.error("the reload is cancelled: a new worker does not start")
            self._outdated.clear()

    def _open(self) -> None:
        """Let workers accept connections: those with a model, or all if none has one."""
        workers = self._workers
        if not any(worker.accepts for worker in workers) and not all(w.report for w in workers):
            return  # at the start, no worker accepts before all have tried to load the model
        with_model = [worker for worker in workers if worker.has_model]
        for worker in with_model or workers:
            if not self._listening:
                self._listen()
            if not worker.accepts:
                self._counts[worker.own] = 0
                worker.tell(Command.ACCEPT)
            if worker.has_model:
                self._failures = 0
        if with_model and all(worker.has_model for worker in workers if worker.accepts):
            for worker in with_model:
                worker.tell(Command.READY)

    def _listen(self) -> None:
        try:
            self._listener.listen(self._config.backlog)
        except OSError as error:
            log.error("%s", error)
            sys.exit(STARTUP_FAILURE)
        self._listening = True
        host, port = self._listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        log.info("Uvicorn running on http://%s:%s (Press CTRL+C to quit)", shown, port)

    def _reload(self) -> None:
        """Replace the outdated workers one after the other."""
        if signal.SIGHUP in self._signals:
            self._signals = [number for number in self._signals if number != signal.SIGHUP]
            log.info("SIGHUP: the workers are replaced one after the other")
            self._outdated = [*self._workers]
        self._outdated = [worker for worker in self._outdated if worker in self._workers]
        if not self._outdated or not all(worker.accepts for worker in self._workers):
            return
        if len(self._workers) > self._config.workers:
            worker = self._outdated.pop(0)
            self._workers.remove(worker)
            self._retired.append(worker)
            worker.tell(Command.RETIRE)
        # Workers that finish long requests still count; the next reload waits for their end.
        if self._outdated and len(self._retired) < self._config.workers:
            self._start()

    def _stop(self) -> None:
        """End all workers, and kill those that do not end in time."""
        self._listener.close()
        workers = [*self._workers, *self._retired]
        for worker in workers:
            worker.process.terminate()
        until = monotonic() + (self._config.timeout_graceful_shutdown or 0) + _KILL_SECONDS
        for worker in workers:
            worker.process.join(max(0.0, until - monotonic()))
            if worker.process.is_alive():
                log.error("worker %s does not end; it is killed", worker.process.pid)
                worker.process.kill()
            worker.close()
