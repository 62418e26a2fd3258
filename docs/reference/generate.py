"""Writes the reference pages beside this file from the code; `--check` names those that are stale.

Whatever a page says is taken from where the program itself takes it: settings from their
descriptions, commands from their options and docstrings, endpoints from the OpenAPI document,
errors from their docstrings and their outcomes, metrics from the table of the exposition.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args

from typer.main import get_command

from domain import errors
from entrypoints.cli.command_table import SUMMARIES, load_command
from entrypoints.cli.command_table import app as cli
from entrypoints.errors import DONE, INTERNAL, OUTCOMES, REFUSED, USAGE, ErrorOutcome
from entrypoints.http.app import Application
from entrypoints.http.middleware.exposition import METRICS
from entrypoints.wiring import builders
from entrypoints.wiring.container import build_container
from entrypoints.wiring.settings import Settings, Variant, descriptions, variables

HERE = Path(__file__).parent
SCHEMA_FILE = HERE.parents[1] / "data" / "housing.toml"

_EXAMPLE = "Example: "


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` compare them; return the exit code."""
    check = [*arguments] == ["--check"]
    if arguments and not check:
        _say("usage: python docs/reference/generate.py [--check]")
        return USAGE
    stale = [page for page in PAGES if _read(page) != _render(page)]
    for page in stale:
        if check:
            _say(f"docs/reference/{page} is stale: make it anew with: make docs")
        else:
            (HERE / page).write_text(_render(page), encoding="utf-8")
            _say(f"wrote docs/reference/{page}")
    return 1 if check and stale else DONE


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _read(page: str) -> str | None:
    path = HERE / page
    return path.read_text(encoding="utf-8") if path.exists() else None


def _render(page: str) -> str:
    lines = ["<!-- Made by docs/reference/generate.py: edit the code, then `make docs`. -->", ""]
    return "\n".join([*lines, *PAGES[page]()]).rstrip() + "\n"


def _settings() -> Iterator[str]:
    yield from [
        "# Settings",
        "",
        "Each is read from its environment variable, else from a `.env` file in the working",
        "directory; an option of a command wins over both. A variable that is set to nothing",
        "counts as unset. A name that starts with `MODELPORT_` and is not listed here, or a value",
        "that is not allowed, ends the program with exit code 78.",
        "",
    ]
    rows, described = [], descriptions()
    for name, field in Settings.model_fields.items():
        values = _choices(field.annotation) or _bounds(field.annotation, field.metadata)
        default = "unset" if field.default in (None, "") else f"`{_plain(field.default)}`"
        rows.append((f"`{variables()[name]}`", values, default, described[name]))
    yield from _table(("variable", "values", "default", "what it does"), rows)
    yield from ["", "The variants set what is unset:", ""]
    presets = [Settings(variant=variant) for variant in Variant]
    kinds = [(preset.variant, preset.tracker_kind, preset.store_kind) for preset in presets]
    header = ("`MODELPORT_VARIANT`", "`MODELPORT_TRACKER`", "`MODELPORT_MODEL_STORE`")
    yield from _table(header, [[f"`{kind.value}`" for kind in row] for row in kinds])


def _choices(annotation: Any) -> str:
    kinds = [annotation, *get_args(annotation)]
    enums = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum)]
    return ", ".join(f"`{member.value}`" for kind in enums for member in kind)


def _bounds(annotation: Any, metadata: Iterable[Any]) -> str:
    lowest = [constraint.ge for constraint in metadata if hasattr(constraint, "ge")]
    if annotation is int:
        return f"an integer of at least {lowest[0]:,}" if lowest else "an integer"
    if annotation is float:
        above = [constraint.gt for constraint in metadata if hasattr(constraint, "gt")]
        return f"a number above {above[0]:g}" if above else "a number"
    kinds = (annotation, *get_args(annotation))
    return "a path" if Path in kinds else "text"


def _cli() -> Iterator[str]:
    root = get_command(cli)
    yield from ["# Command line", "", *_paragraphs(root)]
    yield from ["Results go to stdout, everything else to stderr.", ""]
    yield from _parameters(root)
    yield from ["## Exit codes", "", *_exit_codes(), ""]
    for name in SUMMARIES:
        yield from _command(load_command(name), f"modelport {name}")


def _exit_codes() -> Iterator[str]:
    meanings = {
        DONE: "done",
        USAGE: "usage: an unknown command or option, or a value of the wrong kind",
        REFUSED: "not promoted: the version is registered, the champion stays",
        INTERNAL: "internal error: a defect of modelport; the traceback is on stderr",
    }
    for outcome in OUTCOMES.values():
        titles = [o.title for o in OUTCOMES.values() if o.exit_code == outcome.exit_code]
        meanings.setdefault(outcome.exit_code, "; ".join(titles).lower())
    rows = [(str(code), meaning) for code, meaning in sorted(meanings.items())]
    yield from _table(("code", "meaning"), rows)
    yield from ["", "[Errors](errors.md) says which error ends with which code."]


def _command(command: Any, path: str) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from _command(child, f"{path} {name}")
        return
    arguments = [p for p in command.params if not _is_option(p)]
    usage = [p.metavar if p.required else f"[{p.metavar}]" for p in arguments]
    yield from [f"## `{path}`", "", "```text", " ".join([path, *usage, "[OPTIONS]"]), "```", ""]
    yield from _paragraphs(command)
    yield from _parameters(command)


def _parameters(command: Any) -> Iterator[str]:
    rows = [_parameter(parameter) for parameter in command.params]
    yield from _table(("argument or option", "default", "what it does"), rows)
    yield ""


def _paragraphs(command: Any) -> Iterator[str]:
    for paragraph in cleandoc(command.help).split("\n\n"):
        if paragraph.startswith(_EXAMPLE):
            yield from ["```bash no-run", paragraph.removeprefix(_EXAMPLE), "```", ""]
        else:
            yield from [*paragraph.splitlines(), ""]


def _is_option(parameter: Any) -> bool:
    return bool(parameter.opts[0].startswith("-"))


def _parameter(parameter: Any) -> tuple[str, str, str]:
    names = [*parameter.opts] if _is_option(parameter) else [parameter.metavar]
    shown = "`" + "`, `".join([*names, *parameter.secondary_opts]) + "`"
    kind = parameter.type_descriptor.annotation
    if _is_option(parameter) and not parameter.is_flag:
        shown += f" {parameter.metavar or kind.__name__.upper()}"
    if isinstance(parameter.show_default, str):
        default = parameter.show_default
    elif parameter.required:
        default = "required"
    elif parameter.default in (None, False):
        default = ""
    else:
        default = f"`{_plain(parameter.default)}`"
        if parameter.is_flag:
            default = f"`{parameter.opts[0]}`"
    allowed = f" One of {choices}." if (choices := _choices(kind)) else ""
    return shown, default, f"{parameter.help}{allowed}"


def _http() -> Iterator[str]:
    settings = Settings.model_validate(
        {"variant": Variant.API_BASELINE, variables()["schema_file"]: SCHEMA_FILE}
    )
    app = Application(build_container(settings)).api_for(builders.schema(settings))
    document = app.openapi()
    yield from [
        "# HTTP",
        "",
        "`GET /openapi.json` describes the same, for the model that is being served; `GET /docs`",
        "shows it in the browser, without the internet, and `GET /` leads there. The row below is",
        "that of the reference schema, `data/housing.toml`. An error is `application/problem+json`",
        "as in RFC 9457, but under `/v2` and where MLflow's contract has its own form. It names",
        "fields and what is allowed, and never repeats the caller's data.",
        "",
    ]
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            yield from _endpoint(method.upper(), path, operation)
    yield from _others(app.routes, document["paths"])
    for name, schema in document["components"]["schemas"].items():
        yield from [f"## {name}", "", *_object(schema), ""]


def _others(routes: Iterable[Any], described: Iterable[str]) -> Iterator[str]:
    yield from ["## Other paths", "", "What the OpenAPI document leaves out:", ""]
    found = [route for route in routes if getattr(route, "path", None) not in (None, *described)]
    rows = [
        (f"`{route.path}`", ", ".join(sorted(route.methods)))
        for route in found
        if hasattr(route, "methods")
    ]
    yield from [*_table(("path", "methods"), rows), ""]


def _endpoint(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield from [f"## `{method} {path}`", "", operation["description"], ""]
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        yield from [f"Takes {media}: {_type(body['schema'])}.", "", *_example(body["example"]), ""]
    rows = [
        (status, answer["description"], ", ".join(answer.get("content", {})))
        for status, answer in sorted(operation["responses"].items())
    ]
    yield from _table(("status", "when", "type"), rows)
    yield ""


def _example(example: Any) -> list[str]:
    if isinstance(example, str):
        return ["```text", example.rstrip(), "```"]
    return ["```json", json.dumps(example, indent=2, ensure_ascii=False), "```"]


def _object(schema: dict[str, Any]) -> Iterator[str]:
    if "description" in schema:
        yield from [schema["description"], ""]
    required = schema.get("required", ())
    rows = [
        (f"`{name}`", _type(field), "yes" if name in required else "no", _meaning(field))
        for name, field in schema.get("properties", {}).items()
    ]
    yield from _table(("field", "type", "required", "meaning"), rows)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return " or ".join(map(_type, alternatives))
    words = str(schema.get("type", "any"))
    return f"{words} of {_type(schema['items'])}" if schema.get("items") else words


def _meaning(field: dict[str, Any]) -> str:
    parts = [field["description"]] if "description" in field else []
    return " ".join(parts)


def _errors() -> Iterator[str]:
    yield from ["# Errors", ""]
    yield from ["How each error leaves the program. What is retryable may succeed later.", ""]
    rows = [
        (f"`{kind.__name__}`", *_outcome(OUTCOMES[kind]), (cleandoc(kind.__doc__ or "")))
        for kind in _tree(errors.ModelportError)
    ]
    header = ("error", "HTTP status", "exit code", "retryable", "title", "meaning")
    yield from _table(header, rows)
    tree = cleandoc(errors.__doc__ or "").split("\n\n")[1]
    yield from ["", "The tree they form:", "", "```text", tree, "```"]


def _metrics() -> Iterator[str]:
    yield from [
        "# Metrics",
        "",
        "`GET /metrics` returns these, summed over the processes of a server; start time and",
        "model age are those of the newest process and the oldest version. Times have buckets",
        "from 0.1 ms to 10 s. Scrapers that ask for OpenMetrics get it.",
        "",
    ]
    rows = [(f"`{name}`", kind, text) for name, (kind, text) in METRICS.items()]
    yield from _table(("metric", "type", "value"), rows)


def _tree(kind: type[errors.ModelportError]) -> Iterator[type[errors.ModelportError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def _outcome(outcome: ErrorOutcome) -> tuple[str, str, str, str]:
    retryable = "yes" if outcome.retryable else "no"
    return str(int(outcome.status)), str(outcome.exit_code), retryable, outcome.title


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value.value if isinstance(value, Enum) else value)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        cells = [cell.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ") for cell in row]
        yield f"| {' | '.join(cells)} |"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "settings.md": _settings,
    "cli.md": _cli,
    "http.md": _http,
    "errors.md": _errors,
    "metrics.md": _metrics,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
