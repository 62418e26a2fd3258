"""Runs notebooks, each in a kernel of its own: a process of the interpreter that runs this."""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from adapters.notebooks.outputs import shown
from adapters.notebooks.prose import read_prose
from domain.errors import InvalidData, NotFound, Unavailable, UnreadableData
from domain.reports.document import Code, Heading, Part
from domain.reports.notebook import Notebook

_CELL_SECONDS = 600


class _Loop(asyncio.SelectorEventLoop):
    """A loop that leaves signals to the program: an interrupt ends the kernel, and the command."""

    def add_signal_handler(self, *_: object) -> None:
        raise RuntimeError("signals stay with the program")  # nbclient goes on without


class KernelNotebooks:
    """A `Notebooks` whose code runs in the folder of the notebook, with our environment."""

    def run(self, folder: str) -> list[Notebook]:
        """Run every notebook of a folder; all are read before the first is run."""
        paths = sorted(Path(folder).glob("*.ipynb"))
        if not paths:
            raise NotFound(f"{folder}: there are no notebooks (*.ipynb)")
        books = {path: _read(path) for path in paths}
        return [_run(path, book) for path, book in books.items()]


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UnreadableData(f"{path} is not a notebook: it is not JSON") from error
    if not isinstance(document, dict) or document.get("nbformat") != 4:
        raise UnreadableData(f"{path} is not a notebook of format 4")
    try:
        nbformat.validate(nbformat.from_dict(document))
    except nbformat.ValidationError as error:
        place = "/".join(map(str, error.path))
        raise UnreadableData(f"{path} is not a notebook: {place} breaks the format") from error
    return nbformat.reads(text, as_version=4)


def _run(path: Path, book: Any) -> Notebook:
    begun: list[int] = []
    with TemporaryDirectory(prefix="modelport-") as folder:
        client = NotebookClient(
            book,
            km=_kernel(folder),
            timeout=_CELL_SECONDS,
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_start=lambda **now: begun.append(now["cell_index"]),
        )
        own = {**os.environ, "IPYTHONDIR": folder}  # nobody's start-up files, nobody's history
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                runner.run(_executed(client, own))
        except CellExecutionError as error:
            why = f"{error.ename}: {error.evalue}".strip().splitlines()[0]
            raise InvalidData(f"{_cell(path, book, begun)} fails: {why}") from error
        except CellTimeoutError as error:
            where = _cell(path, book, begun)
            raise InvalidData(f"{where} takes more than {_CELL_SECONDS} s") from error
        except DeadKernelError as error:
            raise Unavailable(f"{_cell(path, book, begun)}: its kernel has ended") from error
        except (OSError, RuntimeError) as error:
            raise Unavailable(f"{path}: its kernel cannot be started: {error}") from error
    return _notebook(path.name, book)


async def _executed(client: NotebookClient, environment: Mapping[str, str]) -> None:
    """Run it; an interrupt stays one, which nbclient takes for the end of the kernel."""
    try:
        await client.async_execute(cleanup_kc=True, env=environment)
    except DeadKernelError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise asyncio.CancelledError from None
        raise


def _kernel(folder: str) -> AsyncKernelManager:
    """Return a kernel of this interpreter, whatever else is installed, behind sockets of ours."""
    return AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
        transport="ipc",
        connection_file=f"{folder}/kernel.json",
    )


def _cell(path: Path, book: Any, begun: Sequence[int]) -> str:
    return f"{path}, cell {begun[-1] + 1 if begun else 1} of {len(book.cells)}"


def _notebook(name: str, book: Any) -> Notebook:
    """Return what was run; the first heading, where it comes first, is the title."""
    parts = list(_parts(book))
    first = parts[0] if parts else None
    if isinstance(first, Heading):
        return Notebook(name, first.text, tuple(parts[1:]))
    return Notebook(name, name.removesuffix(".ipynb"), tuple(parts))


def _parts(book: Any) -> Iterator[Part]:
    about = ""
    for cell in book.cells:
        if cell.cell_type == "markdown":
            for part in read_prose(cell.source):
                about = part.text if isinstance(part, Heading) else about
                yield part
        elif cell.cell_type == "code" and cell.source.strip():
            yield Code(cell.source)
            for output in cell.outputs:
                yield from shown(output, about)
