"""The command that resumes a stopped job."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.markup import escape

from domain.errors import Unavailable
from entrypoints.cli import output
from entrypoints.errors import INTERRUPTED
from entrypoints.wiring.data_uris import public_uri

_SAME = "the same command again (not shown here because it contains a password)"


def command_again(context: typer.Context, **pinned: str) -> str:
    """Return the given command as a line for a shell; `pinned` replaces options.

    A command that contains a secret is described, not repeated.
    """
    words = context.command_path.split()
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        values = [pinned[name]] if name in pinned else _given(context, name)
        if parameter.param_type_name == "argument":
            arguments += values
        elif values == ["True"]:
            words.append(parameter.opts[-1])
        else:
            words += [word for value in values for word in (parameter.opts[-1], value)]
    if any(public_uri(argument) != argument for argument in arguments):
        return _SAME
    dashes = ["--"] if any(argument.startswith("-") for argument in arguments) else []
    return shlex.join([*words, *dashes, *arguments])


def _given(context: typer.Context, name: str) -> list[str]:
    source, value = context.get_parameter_source(name), context.params.get(name)
    if source is None or source.name != "COMMANDLINE" or value in (None, False):
        return []
    return [*map(str, value)] if isinstance(value, list | tuple) else [str(value)]


@contextmanager
def resumable(command: Callable[[], str]) -> Iterator[None]:
    """Print the command to resume when the user interrupts, or something is unavailable."""
    try:
        yield
    except KeyboardInterrupt:
        output.say(
            f"[yellow]interrupted[/]: finished chunks are kept. To resume:\n  {escape(command())}"
        )
        raise typer.Exit(INTERRUPTED) from None
    except Unavailable as error:
        raise Unavailable(f"{error}\nTo resume:\n  {command()}") from error
