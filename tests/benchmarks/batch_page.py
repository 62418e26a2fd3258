"""From what each scorer took to the page with the tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.batch import MLFLOW, SCRIPT
from tests.benchmarks.processes import Usage
from tests.benchmarks.report import Cell, facts, page, ratio, spread, table

_READING = """\
A CSV file is scored into Parquet (`mlflow models predict` writes JSON); the rows are those of the
reference data over and over. *Seconds* are from the start of the process to its end, the median
over the rounds, and *spread* is how far the rounds lie apart: (largest − smallest) / median.
*Peak* is megabytes (10⁶ bytes) of the whole process tree, *largest* of its largest process;
*cores* is CPU seconds by seconds. Every prediction was compared with what the model must answer,
to a relative 1e-6, and every row was there once and in order."""

_PROFILE = """\
Seconds by stage of the use case behind `modelport predict`, the whole job in one process. What is
left of the process is its start-up: the interpreter and the imports. *Measuring* is a second
making of features, by which the first is told from the model."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One size of input: what each round took, by scorer, and our seconds by stage."""

    rows: int
    usages: Mapping[str, Sequence[Usage]]
    stages: Mapping[str, float] | None
    profiled: float


def batch_page(
    sizes: Sequence[Measured],
    titles: Mapping[str, str],
    about: Mapping[str, str],
    rounds: int,
    command: str,
) -> str:
    """Return the page."""
    parts: list[str] = []
    for size in sizes:
        parts += [f"## {size.rows:,} rows", comparison(size, titles)]
        if size.stages is not None:
            parts += ["### Where the time goes", _PROFILE, profile(size, size.stages)]
    return page(
        "Batch scoring, side by side",
        _READING,
        facts({**about, "rounds": str(rounds)}),
        f"Again: `{command}`",
        *parts,
    )


def comparison(size: Measured, titles: Mapping[str, str]) -> str:
    """Return the table of scorers."""
    seconds = {
        name: median(usage.seconds for usage in usages) for name, usages in size.usages.items()
    }
    rows: list[list[Cell]] = []
    for name, usages in size.usages.items():
        took = seconds[name]
        times = [ratio(seconds.get(other), took) for other in (MLFLOW, SCRIPT)]
        peak = median(usage.peak.pss for usage in usages)
        largest = median(usage.peak.rss for usage in usages)
        cores = median(usage.cpu / usage.seconds for usage in usages)
        apart = spread([usage.seconds for usage in usages])
        rows.append(
            [titles[name], took, size.rows / took, *times, peak, largest, cores, apart],
        )
    header = ["", "seconds", "rows/s", "× mlflow", "× script", "peak", "largest", "cores", "spread"]
    return table(header, rows)


def profile(size: Measured, stages: Mapping[str, float]) -> str:
    """Return the table of our stages."""
    shown = {**stages, "start-up": size.profiled - sum(stages.values())}
    rows: list[list[Cell]] = [
        [stage, seconds, f"{seconds / size.profiled:.0%}", seconds / size.rows * 1e6]
        for stage, seconds in sorted(shown.items(), key=lambda item: -item[1])
    ]
    rows.append(["the whole process", size.profiled, "100%", size.profiled / size.rows * 1e6])
    return table(["stage", "seconds", "share", "µs a row"], rows)
