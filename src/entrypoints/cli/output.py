"""Printing: results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from application.scoring.progress import Progress
from application.training.training_progress import TrainingProgress
from domain.errors import ModelportError
from domain.numbers import readable
from entrypoints.errors import outcome_of

_QUIET_SECONDS = 60.0
_LINE_SECONDS = 1.0

# Without a terminal, a table row is one line, for grep and cut.
_UNBOUNDED = 10_000


def say(message: str | Table) -> None:
    """Print a message on stderr; text may have markup."""
    _messages().print(message)


def show(renderable: Any) -> None:
    """Print a part of the result on stdout; text may have markup."""
    if sys.stdout.isatty():
        Console(soft_wrap=True, highlight=False).print(renderable)
        return
    console = Console(soft_wrap=True, highlight=False, width=_UNBOUNDED)
    with console.capture() as captured:
        console.print(renderable)
    sys.stdout.write("\n".join(line.rstrip() for line in captured.get().split("\n")))


def _messages() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False)


def emit(document: Mapping[str, Any]) -> None:
    """Print the result as one JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def show_error(error: ModelportError) -> int:
    """Print an error, and return its exit code."""
    outcome = outcome_of(error)
    say(f"[red]{outcome.title.lower()}[/]: {escape(str(error))}")
    return outcome.exit_code


def failure(error: ModelportError, *, as_json: bool) -> int:
    """Print an error, with `as_json` also as the result, and return its exit code."""
    code = show_error(error)
    if as_json:
        title = outcome_of(error).title
        emit({"error": {"title": title, "detail": str(error), "exit_code": code}})
    return code


def facts(rows: Mapping[str, object]) -> Table:
    """Return a table of names and values."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(escape(name), escape(str(value)))
    return table


def grid(
    header: Sequence[str], rows: Sequence[Sequence[object]], right: Collection[int] = ()
) -> Table:
    """Return a table with a header; columns of numbers, and those of `right`, are right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, name in enumerate(header):
        numeric = position in right or all(_is_number(row[position]) for row in rows)
        table.add_column(name, justify="right" if numeric and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell_text(cell)) for cell in row))
    return table


def show_rows(
    header: Sequence[str], rows: Sequence[Sequence[object]], right: Collection[int] = ()
) -> None:
    """Print a table; on a terminal too narrow for it, each row as a list of its cells."""
    table = grid(header, rows, right)
    if _fits(table):
        show(table)
        return
    for number, row in enumerate(rows):
        if number:
            show("")
        show(facts(dict(zip(header, map(_cell_text, row), strict=True))))


def show_commands(commands: Mapping[str, str]) -> None:
    """Print commands with their meanings; on a narrow terminal, meanings go on their own line."""
    table = facts(commands)
    if _fits(table):
        show(table)
        return
    for command, meaning in commands.items():
        show(f"[dim]{escape(command)}[/]\n    {escape(meaning)}")


def note_ignored(columns: Sequence[str], where: str) -> None:
    """Warn about columns that are not in the schema; one may be misspelt."""
    if columns:
        named = escape(", ".join(map(repr, columns)))
        say(f"[yellow]ignored[/]: {escape(where)} has columns that are not in the schema: {named}")


def _fits(table: Table) -> bool:
    console = Console()
    natural = console.options.update(max_width=_UNBOUNDED)
    wanted = console.measure(table, options=natural).maximum
    return not sys.stdout.isatty() or wanted <= console.width


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float)


def _cell_text(cell: object) -> str:
    if isinstance(cell, float):
        return readable(cell)
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that work is in progress: a spinner on a terminal, a line elsewhere."""
    # Without a terminal, rich prints no spinner.
    messages = _messages()
    if not messages.is_terminal:
        say(escape(what))
    with messages.status(escape(what)):
        yield


@contextmanager
def stages(
    what: str, seconds: Callable[[], float] = monotonic
) -> Iterator[Callable[[TrainingProgress], None]]:
    """Show the stages of a training: a spinner on a terminal, lines elsewhere.

    Lines are at least a second apart, and the first comes after a second.
    """
    messages = _messages()
    started = begun = last = seconds()
    if not messages.is_terminal:
        say(escape(what))
    with messages.status(escape(what)) as status:

        def show_stage(progress: TrainingProgress) -> None:
            nonlocal begun, last
            now = seconds()
            begun = begun if progress.share else now
            line = escape(f"{what}: {describe_stage(progress, now - begun)}")
            status.update(line)
            since = last if progress.share else started
            if not messages.is_terminal and now - since >= _LINE_SECONDS:
                last = now
                say(line)

        yield show_stage


def describe_stage(progress: TrainingProgress, seconds: float) -> str:
    """Return the stage and the remaining time, `seconds` after the fit began."""
    left = round(progress.seconds_left(seconds) or 0)
    remaining = f", about {timedelta(seconds=left)} left" if left else ""
    return f"{progress.stage}{remaining}"


@contextmanager
def progress(what: str) -> Iterator[Callable[[Progress], None]]:
    """Show the progress of a job: a bar on a terminal, a line per minute elsewhere."""
    messages = _messages()
    if not messages.is_terminal:
        yield line_per_minute(what)
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(what), BarColumn(None), TextColumn("{task.fields[state]}"))
    with Bar(*columns, console=messages, transient=True, expand=True) as bar:
        task = bar.add_task(what, total=None, state="reading the input")
        stopwatch = Stopwatch()

        def show_progress(done: Progress) -> None:
            state = describe_progress(done, stopwatch.seconds(done))
            bar.update(task, completed=done.rows, total=done.total, state=state)

        yield show_progress


@dataclass
class Stopwatch:
    """Measures the seconds since the first row was scored."""

    clock: Callable[[], float] = monotonic
    started: float | None = None

    def seconds(self, done: Progress) -> float:
        """Return the seconds since scoring began; reading the input before it is not counted."""
        now = self.clock()
        if self.started is None or done.rows == done.resumed:
            self.started = now
        return now - self.started


def describe_progress(done: Progress, seconds: float) -> str:
    """Return rows, rate and remaining time after some seconds of work."""
    parts = [f"{done.rows:,} of {done.total:,} rows"]
    rate, left = done.rate(seconds), done.seconds_left(seconds)
    if rate is not None and left is not None:
        parts += [f"{rate:,.0f} rows/s", f"{timedelta(seconds=round(left))} left"]
    return ", ".join(parts)


def line_per_minute(
    what: str, seconds: Callable[[], float] = monotonic
) -> Callable[[Progress], None]:
    """Return a callback that prints progress once a minute."""
    last = now = seconds()
    stopwatch = Stopwatch(lambda: now)

    def show_progress(done: Progress) -> None:
        nonlocal last, now
        now = seconds()
        working = stopwatch.seconds(done)
        if now - last >= _QUIET_SECONDS:
            last = now
            say(f"{what}: {describe_progress(done, working)}")

    return show_progress
