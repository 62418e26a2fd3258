"""From the rounds of each server to the page with the tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.online import Plan, Visit
from tests.benchmarks.processes import Memory
from tests.benchmarks.report import Cell, facts, figure, page, ratio, spread, table
from tests.benchmarks.servers import BARE, MLFLOW, REGISTERED, TENSORS
from tests.benchmarks.shapes import ALONE, CROWD, CROWDED, HUNDRED, THOUSAND, Shape
from tests.benchmarks.wrk import Load

OURS = "modelport-main"

_READING = """\
The server runs on one core and the load generator on another. Figures are medians over the
rounds; *spread* is how far the rounds lie apart, (largest − smallest) / median. Latencies are in
milliseconds as `wrk` saw them. *÷ bare* compares with a function that does nothing but read the
body and answer a constant; *× mlflow* with `mlflow models serve` and the scikit-learn flavour.
Answers were compared with what the model must answer, to a relative 1e-6, before, after and in the
warm-up; in the measured seconds every row has a longitude that was never asked before."""


@dataclass(frozen=True)
class Figures:
    """The medians over the rounds, by server."""

    visits: Mapping[str, Sequence[Visit]]

    def of(self, server: str, pick: Callable[[Visit], float]) -> float | None:
        """Return the median of something; None where the server was not measured."""
        return median(map(pick, self.visits[server])) if server in self.visits else None

    def under(self, shape: Shape) -> list[str]:
        """Return the servers that were put under a load."""
        return [name for name, them in self.visits.items() if shape.name in them[0].loads]

    def load(self, server: str, shape: Shape, pick: Callable[[Load], float]) -> float | None:
        """Return the median of something that `wrk` measured."""
        if server not in self.under(shape):
            return None
        return self.of(server, lambda visit: pick(visit.loads[shape.name]))

    def rate(self, server: str, shape: Shape) -> float | None:
        """Return requests per second."""
        return self.load(server, shape, lambda load: load.rate)

    def p50(self, server: str, shape: Shape) -> float | None:
        """Return the median latency in milliseconds."""
        return self.load(server, shape, lambda load: load.p50 / 1000)

    def p99(self, server: str, shape: Shape) -> float | None:
        """Return the 99th percentile of latency in milliseconds."""
        return self.load(server, shape, lambda load: load.p99 / 1000)

    def spread(self, server: str, shape: Shape) -> str:
        """Return how far the rounds lie apart."""
        return spread([visit.loads[shape.name].rate for visit in self.visits[server]])


@dataclass(frozen=True)
class Measured:
    """What was measured: the rounds, by server, and of the champion's server some more.

    `limit` is how many rows a second its model scores without a server, `scaling` what so many
    workers answer, `memories` its memory after so many requests, and `flooded` the load of a lone
    caller without and with a flood of explanations.
    """

    visits: Mapping[str, Sequence[Visit]]
    limit: float | None = None
    scaling: Mapping[int, Sequence[Load]] = field(default_factory=dict)
    memories: Sequence[tuple[int, Memory]] = ()
    flooded: Sequence[tuple[Load, Load]] = ()


def online_page(
    measured: Measured,
    titles: Mapping[str, str],
    about: Mapping[str, str],
    plan: Plan,
    command: str,
) -> str:
    """Return the page."""
    figures = Figures(measured.visits)
    rounds = f"{plan.rounds} rounds of {plan.seconds} s, after {plan.warm_up} s of warm-up"
    return page(
        "Online serving, side by side",
        _READING,
        facts({**about, "rounds": rounds}),
        f"Again: `{command}`",
        "## What was aimed at",
        aims(figures, measured.limit, measured.flooded),
        f"## {CROWD.name}",
        _rates(figures, titles, CROWD),
        f"## {ALONE.name}",
        _rates(figures, titles, ALONE),
        f"## {HUNDRED.name}",
        _rows(figures, titles),
        *_tensors(figures, titles, measured.limit),
        *_workers(measured.scaling),
        "## Start and memory",
        "Seconds from the start of the process to the first right answer. Megabytes (10⁶ bytes): "
        "PSS of the whole process tree, RSS of the largest process, when it first answered and at "
        "the end of a round.",
        _start_and_memory(figures, titles),
        *_soaked(measured.memories),
    )


def aims(
    figures: Figures, limit: float | None = None, flooded: Sequence[tuple[Load, Load]] = ()
) -> str:
    """Return the table of what the champion should reach and what it reached."""
    crowd, alone = figures.rate(OURS, CROWD), figures.p50(OURS, ALONE)
    usual, registered = (_against(figures, crowd, server) for server in (MLFLOW, REGISTERED))
    rows, tensors = _rows_rate(figures, OURS, HUNDRED), _rows_rate(figures, TENSORS, THOUSAND)
    fastest = min(500_000, limit or 500_000)
    worker = figures.of(OURS, lambda visit: visit.used.rss)
    measured: list[tuple[str, float, float | None]] = [
        ("32 connections: × mlflow, scikit-learn flavour, at least", 80, usual),
        ("32 connections: × mlflow, our registered version, at least", 80, registered),
        ("32 connections: ÷ bare function, at least", 0.40, _against(figures, crowd, BARE)),
        ("32 connections: p99 ÷ median, at most", -4, _tail(figures, OURS, CROWD)),
        ("1 connection: median ÷ bare function's, at most", -3, ratio(alone, _bare_p50(figures))),
        ("1 connection: p99 ÷ median, at most", -2.2, _tail(figures, OURS, ALONE)),
        ("p99 under a flood of explanations ÷ without, at most", -5, _flooded_tail(flooded)),
        ("100-row bodies: rows/s, at least", 200_000, rows),
        ("binary tensors of 1,000 rows: rows/s, at least", fastest, tensors),
        ("first right answer: s, at most", -1.0, figures.of(OURS, lambda visit: visit.start)),
        ("resident memory of a worker: MB, at most", -150, worker),
    ]
    return table(
        ["aim", "aimed at", "measured", "reached"],
        [(what, abs(aim), value, _reached(aim, value)) for what, aim, value in measured],
    )


def _reached(aim: float, value: float | None) -> str | None:
    """Say whether an aim is reached; a negative one is an upper bound."""
    if value is None:
        return None
    return "yes" if (value >= aim if aim > 0 else value <= -aim) else "no"


def _against(figures: Figures, rate: float | None, server: str) -> float | None:
    return ratio(rate, figures.rate(server, CROWD))


def _bare_p50(figures: Figures) -> float | None:
    return figures.p50(BARE, ALONE)


def _rows_rate(figures: Figures, server: str, shape: Shape) -> float | None:
    rate = figures.rate(server, shape)
    return None if rate is None else rate * shape.rows


def _tail(figures: Figures, server: str, shape: Shape) -> float | None:
    return ratio(figures.p99(server, shape), figures.p50(server, shape))


def _flooded_tail(flooded: Sequence[tuple[Load, Load]]) -> float | None:
    return median(under.p99 / idle.p99 for idle, under in flooded) if flooded else None


def _rates(figures: Figures, titles: Mapping[str, str], shape: Shape) -> str:
    bare, mlflow = figures.rate(BARE, shape), figures.rate(MLFLOW, shape)
    header = ["server", "requests/s", "÷ bare", "× mlflow", "p50", "p99", "p99 ÷ p50", "spread"]
    rows: list[list[Cell]] = []
    for server in figures.under(shape):
        rate = figures.rate(server, shape)
        against = [ratio(rate, bare), ratio(rate, mlflow)]
        tail = _tail(figures, server, shape)
        latencies = [figures.p50(server, shape), figures.p99(server, shape), tail]
        rows.append([titles[server], rate, *against, *latencies, figures.spread(server, shape)])
    return table(header, rows)


def _rows(figures: Figures, titles: Mapping[str, str]) -> str:
    mlflow = figures.rate(MLFLOW, HUNDRED)
    rows: list[list[Cell]] = []
    for server in figures.under(HUNDRED):
        rate = figures.rate(server, HUNDRED)
        rows_rate = None if server == BARE else _rows_rate(figures, server, HUNDRED)
        latencies = [figures.p50(server, HUNDRED), figures.p99(server, HUNDRED)]
        spread_of = figures.spread(server, HUNDRED)
        rows.append([titles[server], rate, rows_rate, ratio(rate, mlflow), *latencies, spread_of])
    header = ["server", "requests/s", "rows/s", "× mlflow", "p50", "p99", "spread"]
    return table(header, rows)


def _tensors(figures: Figures, titles: Mapping[str, str], limit: float | None) -> list[str]:
    """Return the section on binary tensors, where they were sent."""
    rows: list[list[Cell]] = [
        [
            titles[server],
            figures.rate(server, THOUSAND),
            rate := _rows_rate(figures, server, THOUSAND),
            ratio(rate, limit),
            figures.p50(server, THOUSAND),
            figures.p99(server, THOUSAND),
            figures.spread(server, THOUSAND),
        ]
        for server in figures.under(THOUSAND)
    ]
    if not rows:
        return []
    header = ["server", "requests/s", "rows/s", "÷ model", "p50", "p99", "spread"]
    reading = (
        "Open Inference Protocol V2, a tensor for each feature. The model alone, features and all, "
        f"asked for the same rows in one process on one core: {figure(limit)} rows/s."
    )
    return [
        f"## Binary tensors: {THOUSAND.name}",
        reading,
        table(header, rows),
    ]


def _workers(scaling: Mapping[int, Sequence[Load]]) -> list[str]:
    """Return the section on several workers, where they were measured."""
    rates = {
        workers: median(load.rate for load in loads) * CROWDED.rows
        for workers, loads in scaling.items()
    }
    if not rates:
        return []
    one = rates[min(rates)]
    rows: list[list[Cell]] = [
        [str(workers), rate, rate / one, spread([load.rate for load in scaling[workers]])]
        for workers, rate in rates.items()
    ]
    return [
        f"## Workers: {CROWDED.name}",
        "`modelport serve --workers N` with the champion; server and load share all cores.",
        table(["workers", "rows/s", "× one", "spread"], rows),
    ]


def _start_and_memory(figures: Figures, titles: Mapping[str, str]) -> str:
    picks: Sequence[Callable[[Visit], float]] = (
        lambda visit: visit.start,
        lambda visit: visit.ready.pss,
        lambda visit: visit.ready.rss,
        lambda visit: visit.used.pss,
        lambda visit: visit.used.rss,
        lambda visit: float(visit.requests),
    )
    header = ["server", "start, s", "PSS", "RSS", "PSS at the end", "RSS at the end", "requests"]
    rows = [
        [title, *(figures.of(server, pick) for pick in picks)] for server, title in titles.items()
    ]
    return table(header, rows)


def soak_page(
    memories: Sequence[tuple[int, Memory]], about: Mapping[str, str], command: str
) -> str:
    """Return the page of memory over many requests."""
    half = len(memories) // 2
    growth = memories[-1][1].rss - memories[half][1].rss
    return page(
        "Memory over many requests",
        facts({**about, "command": f"`{command}`"}),
        f"The second half of the requests changed the resident memory by {growth:+.1f} MB.",
        *_soaked(memories),
    )


def _soaked(memories: Sequence[tuple[int, Memory]]) -> list[str]:
    if not memories:
        return []
    rows = [(f"{sent:,}", held.pss, held.rss) for sent, held in memories]
    return [
        "## Memory over many requests",
        "`modelport serve` with the champion, one row a request, 32 connections; megabytes.",
        table(["requests", "PSS", "RSS"], rows),
    ]
