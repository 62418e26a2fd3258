"""How to go on: the very command, for those whose job was stopped."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.markup import escape

from domain.errors import Unavailable
from entrypoints.cli import output
from entrypoints.errors import INTERRUPTED
from entrypoints.wiring.data_uris import public_uri

_SAME = "the same command again; it is not repeated here, since it has a password in it"


def command_again(context: typer.Context, **pinned: str) -> str:
    """Return the command that was given as a line for a shell, some of its options pinned.

    It is described in words where it has a secret in it, which must not be printed.
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
    """Say how to go on with a job that is stopped by the user or by something that is away."""
    try:
        yield
    except KeyboardInterrupt:
        output.say(
            f"[yellow]interrupted[/]: what is finished is kept. To go on where it stopped:\n"
            f"  {escape(command())}"
        )
        raise typer.Exit(INTERRUPTED) from None
    except Unavailable as error:
        raise Unavailable(f"{error}\nThen go on where it stopped:\n  {command()}") from error
