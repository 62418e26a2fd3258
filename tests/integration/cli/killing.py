"""Commands in child processes that start fast and can be killed.

A fork server imports the program once and is forked for each command.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from entrypoints.cli import main
from entrypoints.cli.command_table import SUMMARIES, load_command
from tests.integration.program import Place

for _name in SUMMARIES:  # once, before the forks
    load_command(_name)

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def start(where: Place, log: Path, *arguments: str) -> ForkServerProcess:
    """Start a command."""
    process = _CONTEXT.Process(target=_run, args=(arguments, where.folder, where.environment, log))
    process.start()
    return process


def _run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with log.open("w") as said, redirect_stdout(said), redirect_stderr(said):
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code
        else:
            code = 0
    sys.exit(code)
