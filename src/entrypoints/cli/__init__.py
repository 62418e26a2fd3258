"""The command line."""

import os
import sys
import traceback
from collections.abc import Sequence
from threading import enumerate as enumerate_threads
from threading import main_thread

from domain.errors import ModelportError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with the exit code of its outcome."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _run(given)
    except ModelportError as error:
        sys.exit(_fail(error, given))
    except ModuleNotFoundError as error:
        from entrypoints.wiring.extras import explain_missing

        missing = explain_missing(error)
        if missing is None:
            raise
        sys.exit(_fail(missing, given))
    except Exception:  # noqa: BLE001 - any other exception is an internal error: exit code 70
        traceback.print_exc()
        sys.exit(_fail(ModelportError("a defect of modelport; the traceback is on stderr"), given))
    except SystemExit as ended:
        _end_with_threads(ended.code)
        raise


def _end_with_threads(code: object) -> None:
    """End an interrupted process that has running threads; a fit cannot be interrupted."""
    from entrypoints.errors import INTERRUPTED, TERMINATED

    threads = [each for each in enumerate_threads() if each is not main_thread()]
    if code in (INTERRUPTED, TERMINATED) and not all(each.daemon for each in threads):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(str(code)))


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
