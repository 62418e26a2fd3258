"""The command line."""

import sys
import traceback
from collections.abc import Sequence

from domain.errors import ModelportError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; end the process with the exit code that its outcome has."""
    from entrypoints.cli import output
    from entrypoints.cli.commands import app

    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        app(given, prog_name="modelport")
    except ModelportError as error:
        sys.exit(output.failure(error, as_json="--json" in given))
    except Exception:  # noqa: BLE001 - the last resort: whatever it is, the exit code says so
        traceback.print_exc()
        fault = ModelportError("this is a fault of modelport; the traceback is on stderr")
        sys.exit(output.failure(fault, as_json="--json" in given))
