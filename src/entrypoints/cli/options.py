"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from application.ports import DataSource
from domain.data.dialect import Dialect
from domain.errors import Misconfigured
from domain.training.specification import Parameter
from entrypoints.cli import output
from entrypoints.wiring.container import Container, build_container
from entrypoints.wiring.data_uris import reading_note
from entrypoints.wiring.settings import load_settings


def option(metavar: str, text: str, default: str | None = None, name: str | None = None) -> Any:
    """Return an option with a value; `default` describes what is used without it."""
    names = () if name is None else (name,)
    return typer.Option(*names, metavar=metavar, help=text, show_default=default or False)


def flag(names: str, text: str) -> Any:
    """Return an option that takes no value."""
    return typer.Option(names, metavar="", help=text)


AsJson = Annotated[bool, flag("--json", "Print one JSON document on stdout.")]
Model = Annotated[
    str | None,
    option(
        "REF",
        "NAME, NAME@ALIAS or NAME/VERSION.",
        default="MODELPORT_MODEL, else the champion of the schema's name",
    ),
]
Data = Annotated[
    str | None,
    option(
        "URI",
        "A path, file://, https://, s3://, a database URL with #TABLE, or sample:ROWS.",
        default="MODELPORT_DATA, else the reference data",
    ),
]
Interval = Annotated[
    float | None, option("LEVEL", "Level of the prediction interval, such as 0.9.", default="none")
]
SchemaFile = Annotated[
    Path | None, option("FILE", "Schema file.", default="MODELPORT_SCHEMA", name="--schema")
]
HoldoutShare = Annotated[float, typer.Option("--holdout", help="Share of rows for the hold-out.")]
ValidationShare = Annotated[
    float,
    typer.Option("--validation", help="Share of rows left out of training rows and hold-out."),
]


Delimiter = Annotated[
    str | None,
    option("C", "What separates the cells of a CSV file: a character, or tab.", default="detected"),
]
Decimal = Annotated[
    str | None, option("C", "Decimal point of the numbers in a CSV file.", default="detected")
]
Encoding = Annotated[
    str | None, option("NAME", "Encoding of a CSV or JSON Lines file.", default="utf-8")
]


def open_data(
    wired: Container,
    uri: str | None,
    dialect: tuple[str | None, str | None, str | None],
    **options: Any,
) -> DataSource:
    """Return the source of a data URI, and say what was detected of its dialect.

    `dialect` is --delimiter, --decimal and --encoding; `options` are those of `open_source`.
    """
    source: DataSource = wired.source(uri, dialect=Dialect(*dialect), **options)
    if note := reading_note(source):
        output.say(f"[yellow]detected[/]: {escape(note)}; --delimiter and --decimal override that")
    return source


def container(**overrides: object) -> Container:
    """Return the container for the current settings; given options override them."""
    return build_container(load_settings(overrides))


def parse_parameters(pairs: list[str]) -> dict[str, Parameter]:
    """Parse `name=value` pairs; a value is an integer, number, true, false, none or text."""
    parameters: dict[str, Parameter] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise Misconfigured(f"--param {pair!r} is not of the form name=value")
        if name in parameters:
            raise Misconfigured(f"--param {name} is given twice")
        parameters[name] = _parse_value(value)
    return parameters


def _parse_value(text: str) -> Parameter:
    constants: dict[str, Parameter] = {"true": True, "false": False, "none": None}
    if text.lower() in constants:
        return constants[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
