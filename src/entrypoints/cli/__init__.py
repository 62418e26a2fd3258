"""The command line."""

import sys
import traceback

from domain.errors import ModelportError
from entrypoints.errors import INTERNAL


def main() -> None:
    """Run a command; end the process with the exit code that its outcome has."""
    from entrypoints.cli import output
    from entrypoints.cli.app import app

    try:
        app()
    except ModelportError as error:
        sys.exit(output.failure(error))
    except Exception:  # noqa: BLE001 - the last resort: whatever it is, the exit code says so
        traceback.print_exc()
        output.say("[red]internal error[/]: this is a fault of modelport; the traceback is above")
        sys.exit(INTERNAL)
