"""The command line."""

import sys
import traceback
from collections.abc import Sequence

from domain.errors import ModelportError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with the exit code of its outcome."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _run(given)
    except ModelportError as error:
        sys.exit(_fail(error, given))
    except Exception:  # noqa: BLE001 - any other exception is an internal error: exit code 70
        traceback.print_exc()
        sys.exit(_fail(ModelportError("a defect of modelport; the traceback is on stderr"), given))


def _run(given: Sequence[str]) -> None:
    if given == ["--version"]:
        print_version()
        return
    from entrypoints.cli.command_table import app

    app(given, prog_name="modelport")


def print_version() -> None:
    """Print name and version; needs neither typer nor rich."""
    from importlib.metadata import version

    sys.stdout.write(f"modelport {version('modelport')}\n")


def _fail(error: ModelportError, given: Sequence[str]) -> int:
    from entrypoints.cli import output

    return output.failure(error, as_json="--json" in given)
