"""All commands, by name."""

from importlib.metadata import version
from typing import Annotated

import typer

from entrypoints.cli import data_commands as data
from entrypoints.cli import demo, doctor, experiments, keys, models, online, signing
from entrypoints.cli import predict as batch
from entrypoints.cli import train as training

app = typer.Typer(
    name="modelport",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"modelport {version('modelport')}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Train, gate, register and serve tabular models.

    Exit codes: 0 done, 2 usage, 3 refused by the gate, 65 bad data, 66 not found,
    69 unavailable, 70 internal, 75 conflict, 77 model rejected, 78 configuration,
    130 interrupted.
    """


app.command()(demo.demo)
app.add_typer(data.app, name="data")
app.command()(training.train)
app.command()(training.evaluate)
app.add_typer(experiments.app, name="experiments")
app.command()(batch.predict)
app.command("predict-one")(online.predict_one)
app.command()(online.serve)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(signing.app, name="signing")
app.command()(doctor.doctor)
