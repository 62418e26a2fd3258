"""What the commands print: results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from application.scoring.progress import Progress
from domain.errors import ModelportError
from entrypoints.errors import outcome_of

_QUIET_SECONDS = 60.0

# Where no terminal sets a width, a row of a table is one line, to be searched and cut.
_UNBOUNDED = 10_000


def say(markup: str) -> None:
    """Tell the user something that is not the result."""
    _messages().print(markup)


def show(renderable: Any) -> None:
    """Print a part of the result for a person to read; a text may have markup."""
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


def tell(error: ModelportError) -> int:
    """Tell what went wrong, and return the exit code."""
    outcome = outcome_of(error)
    say(f"[red]{outcome.title.lower()}[/]: {escape(str(error))}")
    return outcome.exit_code


def failure(error: ModelportError, *, as_json: bool) -> int:
    """Tell what went wrong where there is no result, and return the exit code."""
    code = tell(error)
    if as_json:
        emit(
            {
                "error": {
                    "title": outcome_of(error).title,
                    "detail": str(error),
                    "exit_code": code,
                }
            }
        )
    return code


def facts(rows: Mapping[str, object]) -> Table:
    """Return a table of two columns: what, and its value."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(escape(name), escape(str(value)))
    return table


def grid(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table with a header; figures are set to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, name in enumerate(header):
        numeric = all(_is_figure(row[position]) for row in rows)
        table.add_column(name, justify="right" if numeric and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_written(cell)) for cell in row))
    return table


def show_rows(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; on a terminal that is too narrow for it, one row after the other."""
    table = grid(header, rows)
    if _fits(table):
        show(table)
        return
    for number, row in enumerate(rows):
        if number:
            show("")
        show(facts(dict(zip(header, map(_written, row), strict=True))))


def show_commands(commands: Mapping[str, str]) -> None:
    """Print commands and what they do; on a terminal that is too narrow, one below the other."""
    table = facts(commands)
    if _fits(table):
        show(table)
        return
    for command, meaning in commands.items():
        show(f"[dim]{escape(command)}[/]\n    {escape(meaning)}")


def note_ignored(columns: Sequence[str], where: str) -> None:
    """Tell of columns that nobody asked for; a misspelt one is found so."""
    if columns:
        named = escape(", ".join(map(repr, columns)))
        say(f"[yellow]ignored[/]: {escape(where)} has columns that the schema lacks: {named}")


def _fits(table: Table) -> bool:
    console = Console()
    natural = console.options.update(max_width=_UNBOUNDED)
    wanted = console.measure(table, options=natural).maximum
    return not sys.stdout.isatty() or wanted <= console.width


def _is_figure(cell: object) -> bool:
    return isinstance(cell, int | float)


def _written(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) >= 10 else f"{cell:.4f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something is going on."""
    messages = _messages()
    if messages.is_terminal:
        with messages.status(escape(what)):
            yield
    else:
        say(escape(what))
        yield


@contextmanager
def progress(what: str) -> Iterator[Callable[[Progress], None]]:
    """Show how far a job has come: a bar on a terminal, a line a minute elsewhere."""
    messages = _messages()
    if not messages.is_terminal:
        yield line_a_minute(what)
        return
    columns = (TextColumn(what), BarColumn(None), TextColumn("{task.fields[words]}"))
    with Bar(*columns, console=messages, transient=True, expand=True) as bar:
        task = bar.add_task(what, total=None, words="looking at the input")
        stopwatch = Stopwatch()

        def tell(done: Progress) -> None:
            words = in_words(done, stopwatch.seconds(done))
            bar.update(task, completed=done.rows, total=done.total, words=words)

        yield tell


@dataclass
class Stopwatch:
    """Tells how long the work has been going on, by a clock."""

    clock: Callable[[], float] = monotonic
    started: float | None = None

    def seconds(self, done: Progress) -> float:
        """Return the seconds since the work began, not since somebody looked at the input."""
        now = self.clock()
        if self.started is None or done.rows == done.resumed:
            self.started = now
        return now - self.started


def in_words(done: Progress, seconds: float) -> str:
    """Return rows, rate and time left, as far as they can be told after so many seconds."""
    words = [f"{done.rows:,} of {done.total:,} rows"]
    rate, left = done.rate(seconds), done.seconds_left(seconds)
    if rate is not None and left is not None:
        words += [f"{rate:,.0f} rows/s", f"{timedelta(seconds=round(left))} left"]
    return ", ".join(words)


def line_a_minute(
    what: str, seconds: Callable[[], float] = monotonic
) -> Callable[[Progress], None]:
    """Return what tells of progress once a minute, where no bar can be drawn."""
    last = now = seconds()
    stopwatch = Stopwatch(lambda: now)

    def tell(done: Progress) -> None:
        nonlocal last, now
        now = seconds()
        working = stopwatch.seconds(done)
        if now - last >= _QUIET_SECONDS:
            last = now
            say(f"{what}: {in_words(done, working)}")

    return tell
