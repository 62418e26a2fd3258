"""All commands by name; the module of a command is imported when the command is called."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from entrypoints.cli import print_version
from entrypoints.cli.stopping import Terminated, stoppable
from entrypoints.errors import INTERRUPTED, TERMINATED

# The first sentence of each command's help; its module in `commands` has the command's name.
SUMMARIES = {
    "demo": "Train, register, score a file, start the server and request one prediction.",
    "data": "Fetch, simulate and check data.",
    "train": "Fit a model, evaluate it on the hold-out, register it, and apply the promotion gate.",
    "evaluate": "Measure a registered model on its hold-out rows, or on all rows of other data.",
    "experiments": "Choose a model by experiments, and report how it was chosen.",
    "predict": "Score every row of a file or table.",
    "predict-one": "Predict one row, or a few, given as JSON.",
    "serve": "Serve a model over HTTP until SIGTERM or Ctrl-C.",
    "models": "List, show, promote and sign model versions.",
    "keys": "Manage the API keys of the server.",
    "signing": "Manage the keys that sign models.",
    "doctor": "Check the configuration, and say what to change.",
}


class LazyGroup(TyperGroup):
    """The group of all commands; it lists them without importing their modules."""

    def __init__(self, **attributes: Any) -> None:
        listed = {name: TyperCommand(name, help=text) for name, text in SUMMARIES.items()}
        super().__init__(**{**attributes, "commands": listed})

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the name of the called command, the imported command and its arguments."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and load_command(args[0]), rest

    def invoke(self, ctx: Any) -> Any:
        """Run a command; SIGTERM ends it as Ctrl-C does, with an exit code of its own."""
        try:
            with stoppable():
                return super().invoke(ctx)
        except Terminated:
            raise typer.Exit(TERMINATED) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


def load_command(name: str) -> Any:
    """Import a command, or a group of commands, and return it."""
    module = import_module(f"entrypoints.cli.commands.{name.replace('-', '_')}")
    command = get_command(module.app)
    command.help = command.help or SUMMARIES[name]
    return command


app = typer.Typer(
    cls=LazyGroup,
    name="modelport",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print_version()
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train, register, promote and serve models of tabular data.

    Exit codes: 0 done, 2 usage, 3 not promoted, 65 bad data, 66 not found,
    69 unavailable, 70 internal, 75 conflict, 77 model rejected, 78 configuration,
    130 interrupted, 143 terminated.
    """
