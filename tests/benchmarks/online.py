"""Measures servers side by side: each on one core to itself, the load on another.

In every round each server is started anew, timed until its first right answer, asked every
question and compared, warmed up under load with every answer compared, measured with rows that it
was never asked before, asked again, and stopped. Rounds interleave the servers, so that a slow
minute of the machine hits all of them.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from subprocess import Popen

from domain.data.split import Split
from tests.benchmarks.models import Models, require_same
from tests.benchmarks.places import KEPT, Unusable
from tests.benchmarks.processes import Memory, last_words, memory, pinned, running
from tests.benchmarks.servers import Server
from tests.benchmarks.shapes import ALONE, CROWD, CROWDED, HUNDRED, THOUSAND, Shape
from tests.benchmarks.wrk import Load, Requests, load_command, put_load
from tests.integration.processes import free_port

_START_SECONDS = 120.0
_LOOK_SECONDS = 0.005
_FLOOD = 16
_FLOOD_SECONDS = 3600  # it is stopped earlier
_SOAK_STEPS = 10
_ANSWERS_OF_ALL = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure, and on which core the server is (None: on all, as the load is).

    `soak` is how many requests to send while watching memory.
    """

    rounds: int
    seconds: int
    warm_up: int
    soak: int
    server_core: int | None
    load_core: int | None


@dataclass(frozen=True, slots=True)
class Visit:
    """One round of one server.

    `start` is in seconds from the start of the process to the first right answer, `ready` its
    memory then, `used` its memory after `requests` requests; `loads` is by the name of the shape.
    """

    start: float
    ready: Memory
    used: Memory
    requests: int
    loads: Mapping[str, Load]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers, and the seconds it took to get there."""

    port: int
    start: float
    process: "Popen[bytes]"


def cores() -> tuple[int, int]:
    """Return a core for the server and one for the load.

    Raises:
        Unusable: there are not two.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Unusable("two cores are needed: one for the server, one for the load")
    return allowed[0], allowed[1]


def measure(servers: Sequence[Server], models: Models, plan: Plan) -> dict[str, list[Visit]]:
    """Return the rounds of each server, by its name.

    Raises:
        Unusable: a server failed, or one answer was wrong.
    """
    questions = {server.name: Questions(server, models) for server in servers}
    visits: dict[str, list[Visit]] = {server.name: [] for server in servers}
    with _this_process_on(plan.load_core):
        for number in range(1, plan.rounds + 1):
            for server in servers:
                _say(f"round {number} of {plan.rounds}: {server.title}")
                visits[server.name].append(_visit(questions[server.name], plan))
    return visits


def model_limit(models: Models, plan: Plan) -> float:
    """Return how many rows a second the champion scores in this process, on the server's core.

    They are those of the requests with tensors, as many at once: no server can be faster.
    """
    _, holdout = Split().positions(len(models.matrix))
    size = THOUSAND.rows
    parts = [models.matrix[holdout[n * size : (n + 1) * size]] for n in range(THOUSAND.bodies)]
    predict = models.champion.loaded.predictor.predict
    with _this_process_on(plan.server_core):
        for part in parts:
            predict(part)
        rows, began = 0, time.perf_counter()
        while time.perf_counter() - began < plan.seconds:
            rows += len(predict(parts[rows // size % len(parts)]))
        return rows / (time.perf_counter() - began)


def scaling(servers: Mapping[int, Server], models: Models, plan: Plan) -> dict[int, list[Load]]:
    """Return, by the number of workers, how many bodies of 100 rows the servers answer.

    Server and load share all cores: of the load's there is little to do for so large a body.
    """
    free = replace(plan, server_core=None, load_core=None)
    loads: dict[int, list[Load]] = {workers: [] for workers in servers}
    for number in range(1, plan.rounds + 1):
        for workers, server in servers.items():
            _say(f"round {number} of {plan.rounds}: {server.title}, workers: {workers}")
            questions = Questions(server, models)
            with _started(questions, free) as running_server:
                _await_all(questions, running_server)
                questions.asked(CROWDED, running_server.port)
                requests = questions.fresh(CROWDED)
                _put(running_server, requests, CROWDED, plan.warm_up, free)
                loads[workers].append(_put(running_server, requests, CROWDED, plan.seconds, free))
    return loads


def _await_all(questions: "Questions", server: Running) -> None:
    """Wait until every worker answers: each time, the kernel chooses which one is asked."""
    rows = questions.first
    body = questions.server.encode(rows)
    deadline, answered = time.perf_counter() + _START_SECONDS, 0
    while answered < _ANSWERS_OF_ALL:
        answered = answered + 1 if _answers(questions, body, rows, server.port) else 0
        if time.perf_counter() > deadline:
            raise Unusable(f"{questions.server.title}: not all workers answer")


def with_and_without_flood(server: Server, models: Models, plan: Plan) -> list[tuple[Load, Load]]:
    """Return the load of a lone caller in each round, alone and under a flood of `/explain`.

    The server shares all cores with the flood: 16 callers with bodies of 100 rows, most of whom it
    refuses.
    """
    free = replace(plan, server_core=None, load_core=None)
    questions = Questions(server, models)
    explaining = Questions(replace(server, path="/explain", answers=None), models)
    loads: list[tuple[Load, Load]] = []
    with _started(questions, free) as running_server:
        questions.asked(ALONE, running_server.port)
        requests = questions.fresh(ALONE)
        _ask_once(explaining, running_server.port)
        flood = _flood(explaining)
        for number in range(1, plan.rounds + 1):
            _say(f"round {number} of {plan.rounds}: {server.title}, explanations")
            _put(running_server, requests, ALONE, plan.warm_up, free)
            idle = _put(running_server, requests, ALONE, plan.seconds, free)
            command = load_command(running_server.port, flood, _FLOOD, _FLOOD_SECONDS)
            with running(command, {}, _folder(server) / "flood.log"):
                _put(running_server, requests, ALONE, plan.warm_up, free)
                loads.append((idle, _put(running_server, requests, ALONE, plan.seconds, free)))
    return loads


def _ask_once(questions: "Questions", port: int) -> None:
    """Ask for an explanation, which waits until its libraries are loaded."""
    server = questions.server
    connection = HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
    try:
        connection.request("POST", server.path, server.encode(questions.first), {**server.headers})
        if (status := connection.getresponse().status) != 200:
            raise Unusable(f"{server.title} answers {server.path} with {status}")
    finally:
        connection.close()


def _flood(questions: "Questions") -> Path:
    """Return the file of requests for explanations of 100 rows."""
    server = questions.server
    bodies = [server.encode(rows) for rows in questions.rows(HUNDRED)]
    file = _folder(server) / "flood.lua"
    file.write_bytes(Requests(server.path, server.headers, bodies).to_lua())
    return file


def soak(
    server: Server, models: Models, plan: Plan, every: int | None = None
) -> list[tuple[int, Memory]]:
    """Send `plan.soak` requests and return the memory ten times, or each so many seconds."""
    questions = Questions(server, models)
    with _this_process_on(plan.load_core), _started(questions, plan) as running_server:
        questions.asked(CROWD, running_server.port)
        requests = questions.fresh(CROWD)
        _say(f"{plan.soak:,} requests to {server.title}")
        sent, seconds = 0, plan.warm_up
        memories: list[tuple[int, Memory]] = []
        while sent < plan.soak:
            load = _put(running_server, requests, CROWD, seconds, plan)
            sent += load.requests
            memories.append((sent, memory(running_server.process.pid)))
            seconds = every or max(1, round(plan.soak / _SOAK_STEPS / load.rate))
    return memories


@dataclass(frozen=True)
class Questions:
    """What a server is asked, and what is right."""

    server: Server
    models: Models

    def rows(self, shape: Shape) -> list[Sequence[int]]:
        """Return the rows of the reference data that each body asks for: rows of the hold-out."""
        _, holdout = Split().positions(len(self.models.matrix))
        chosen = holdout[: shape.bodies * shape.rows].reshape(shape.bodies, shape.rows)
        return [rows.tolist() for rows in chosen]

    @property
    def first(self) -> Sequence[int]:
        """Return the one row that a server is asked for until it answers."""
        return self.rows(CROWD)[0]

    def answer(self, body: bytes, rows: Sequence[int], connection: HTTPConnection) -> bytes:
        """Ask once and return the answer.

        Raises:
            Unusable: it is wrong.
            OSError, HTTPException, Refused: there is none.
        """
        server = self.server
        connection.request("POST", server.path, body, dict(server.headers))
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise Refused(f"{server.name} answered {response.status}: {answer[:500]!r}")
        values = server.decode(answer)
        if server.answers is not None:
            require_same(server.answers[list(rows)], values, server.title)
        return answer

    def asked(self, shape: Shape, port: int) -> Path:
        """Ask everything of a shape, and return the file of requests and their answers."""
        asked = self.rows(shape)
        bodies = [self.server.encode(rows) for rows in asked]
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            answers = [
                self.answer(body, rows, connection)
                for body, rows in zip(bodies, asked, strict=True)
            ]
        except (OSError, HTTPException, Refused) as error:
            raise Unusable(f"{self.server.title}: {error}") from error
        finally:
            connection.close()
        file = _folder(self.server) / f"requests-{shape.rows}.lua"
        requests = Requests(self.server.path, self.server.headers, bodies, answers)
        file.write_bytes(requests.to_lua())
        return file

    def fresh(self, shape: Shape) -> Path:
        """Return the file of requests for rows that were never asked before."""
        server = self.server
        if server.encode_marked is None:
            raise Unusable(f"{server.title}: nothing makes bodies with marked longitudes")
        rows = self.rows(shape)
        plain, marked = map(server.encode, rows), map(server.encode_marked, rows)
        requests = Requests.fresh(server.path, server.headers, [*plain], [*marked])
        file = _folder(server) / f"fresh-{shape.rows}.lua"
        file.write_bytes(requests.to_lua())
        return file


class Refused(Exception):
    """A server answered, but not with predictions."""


def _visit(questions: Questions, plan: Plan) -> Visit:
    with _started(questions, plan) as server:
        ready = memory(server.process.pid)
        loads: dict[str, Load] = {}
        sent = 0
        for shape in questions.server.shapes:
            requests = questions.asked(shape, server.port)
            warm = _put(server, requests, shape, plan.warm_up, plan, check=True)
            fresh = questions.fresh(shape)
            load = loads[shape.name] = _put(server, fresh, shape, plan.seconds, plan)
            questions.asked(shape, server.port)
            sent += warm.requests + load.requests + 2 * shape.bodies
        return Visit(server.start, ready, memory(server.process.pid), sent, loads)


def _put(
    server: Running, requests: Path, shape: Shape, seconds: int, plan: Plan, *, check: bool = False
) -> Load:
    return put_load(
        server.port,
        requests,
        connections=shape.connections,
        seconds=seconds,
        core=plan.load_core,
        check=check,
    )


@contextmanager
def _started(questions: Questions, plan: Plan) -> Iterator[Running]:
    """Run a server in the block, from its first right answer on."""
    server, port = questions.server, free_port()
    folder = _folder(server)
    command = server.command(port, folder)
    if plan.server_core is not None:
        command = pinned(plan.server_core, command)
    rows = questions.first
    body = server.encode(rows)
    began = time.perf_counter()
    with running(command, server.settings, folder / "log") as process:
        while not _answers(questions, body, rows, port):
            if process.poll() is not None or time.perf_counter() - began > _START_SECONDS:
                raise Unusable(f"{server.title} does not start:\n{last_words(folder / 'log')}")
            time.sleep(_LOOK_SECONDS)
        yield Running(port, time.perf_counter() - began, process)


def _answers(questions: Questions, body: bytes, rows: Sequence[int], port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        questions.answer(body, rows, connection)
    except (OSError, HTTPException, Refused):
        return False
    finally:
        connection.close()
    return True


@contextmanager
def _this_process_on(core: int | None) -> Iterator[None]:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, allowed if core is None else {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _folder(server: Server) -> Path:
    folder = KEPT / "servers" / server.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
