"""`doctor`: check the configuration."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.markup import escape

from application.model.load_model import LoadedModel
from application.ports import DataSource
from domain.data.schema import Schema
from domain.errors import ModelportError, NotFound, Unavailable
from entrypoints.cli import output
from entrypoints.cli.options import AsJson, SchemaFile
from entrypoints.errors import DONE, outcome_of
from entrypoints.wiring.container import Container, build_container
from entrypoints.wiring.settings import REFERENCE_PATH, load_settings


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `exit_code` is 0 unless there is a problem."""

    check: str
    state: str
    detail: str
    exit_code: int = DONE


app = typer.Typer(add_completion=False)


@app.command()
def doctor(schema: SchemaFile = None, as_json: AsJson = False) -> None:
    """Check the configuration, and say what to change.

    The exit code is that of the first problem.

    Example: modelport doctor
    """
    findings = list(_findings(schema))
    code = next((f.exit_code for f in findings if f.exit_code != DONE), DONE)
    if as_json:
        checks = [{"check": f.check, "state": f.state, "detail": f.detail} for f in findings]
        output.emit({"healthy": code == DONE, "checks": checks})
    else:
        colours = {"ok": "green", "note": "yellow", "problem": "red"}
        for f in findings:
            state = f"[{colours[f.state]}]{f.state:>8}[/]"
            output.show(f"{state}  [bold]{f.check}[/]: {escape(f.detail)}")
    if code != DONE:
        raise typer.Exit(code)


def _findings(schema: Path | None) -> Iterator[Finding]:
    try:
        settings = load_settings({"schema_file": schema})
    except ModelportError as error:
        yield _problem("settings", error)
        return
    kinds = f"tracker {settings.tracker_kind.value}, model store {settings.store_kind.value}"
    yield Finding("settings", "ok", f"variant {settings.variant.value}, {kinds}")
    wired = build_container(settings)
    for name, check in _CHECKS.items():
        try:
            found = check(wired)
        except ModelportError as error:
            yield _problem(name, error)
        else:
            yield found if isinstance(found, Finding) else Finding(name, "ok", found)


def _problem(name: str, error: ModelportError) -> Finding:
    return Finding(name, "problem", str(error), outcome_of(error).exit_code)


def _schema(wired: Container) -> str:
    schema: Schema = wired.schema()
    described = f"{len(schema.features)} features, target {schema.target.name}"
    return f"{wired.settings().schema_file} describes {schema.name!r}: {described}"


def _home(wired: Container) -> str:
    home = wired.settings().home
    existing = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise Unavailable(f"{home} cannot be written; set MODELPORT_HOME to a writable folder")
    return f"{home} can be written"


def _data(wired: Container) -> Finding | str:
    if wired.settings().data is None and not REFERENCE_PATH.exists():
        detail = f"{REFERENCE_PATH} does not exist yet; fetch it with: modelport data fetch"
        return Finding("data", "note", detail)
    source: DataSource = wired.source()
    version = source.version
    wired.schema().require(source.columns, f"{version.uri} does not fit the schema")
    return f"{version.uri} has {version.rows:,} rows, SHA-256 {version.sha256[:12]}…"


def _tracker(wired: Container) -> str:
    wired.tracker()
    return f"runs are recorded with: {wired.settings().tracker_kind.value}"


def _store(wired: Container) -> str:
    store = wired.store()
    counts = [f"{len(store.versions(name))} of {name}" for name in store.names()]
    return f"reachable; versions: {', '.join(counts) or 'none yet'}"


def _model(wired: Container) -> Finding | str:
    ref = wired.model_ref()
    try:
        model: LoadedModel = wired.load_model()(ref)
    except NotFound:
        return Finding("model", "note", f"{ref} does not exist yet; train it with: modelport train")
    return f"{ref} is {model.version.label}; checksums and golden rows are verified"


_CHECKS: dict[str, Callable[[Container], Finding | str]] = {
    "schema": _schema,
    "home": _home,
    "data": _data,
    "tracker": _tracker,
    "model store": _store,
    "model": _model,
}
