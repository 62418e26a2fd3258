"""Notebooks: run by nbclient, each in a kernel of its own, and rendered by nbconvert."""

import asyncio
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter, MarkdownExporter
from nbconvert.preprocessors.sanitize import SanitizeHTML

from domain.errors import InvalidData, NotFound, Unavailable, UnreadableData
from entrypoints.reports.rendering import TEMPLATES, escape_markdown, parse, prose, text_of

_CELL_SECONDS = 600
_LONGEST_TEXT = 20_000
_TABLE = ["table", "thead", "tbody", "tr", "th", "td"]
_SPANS = {"th": ["colspan", "rowspan"], "td": ["colspan", "rowspan"]}
_RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+://)[^)]*\)")
_INVISIBLE = re.compile(r"<(style|script)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class RenderedNotebook:
    """A notebook that was run: its title, its section of a page, and the figures of the Markdown.

    `figures` are images by their paths in the Markdown.
    """

    title: str
    html: str
    markdown: str
    figures: Mapping[str, bytes] = field(default_factory=dict)


def run_notebooks(folder: str) -> list[RenderedNotebook]:
    """Run every notebook of a folder, by name, each from top to bottom; no file is changed.

    The code runs in the folder of the notebook, with the environment of this process.

    Raises:
        NotFound: there is no notebook in the folder.
        UnreadableData: a file is not a notebook; all are read before the first is run.
        InvalidData: a cell fails; names the notebook and the cell.
        Unavailable: a kernel cannot be started, or ends.
    """
    paths = sorted(Path(folder).glob("*.ipynb"))
    if not paths:
        raise NotFound(f"{folder}: there are no notebooks (*.ipynb)")
    books = {path: _read(path) for path in paths}
    for path, book in books.items():
        _run(path, book)
    return [_rendered(path.name, n, book) for n, (path, book) in enumerate(books.items(), 1)]


class _Loop(asyncio.SelectorEventLoop):
    """A loop that leaves signals to the program: an interrupt ends the kernel and the command."""

    def add_signal_handler(self, *_: object) -> None:
        raise RuntimeError("signals stay with the program")  # nbclient ignores this


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
        key = "/".join(map(str, error.path))
        raise UnreadableData(f"{path} is not a notebook: {key} breaks the format") from error
    return nbformat.reads(text, as_version=4)


def _run(path: Path, book: Any) -> None:
    begun: list[int] = []
    with TemporaryDirectory(prefix="modelport-") as folder:
        client = NotebookClient(
            book,
            km=_kernel(folder),
            timeout=_CELL_SECONDS,
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_start=lambda **now: begun.append(now["cell_index"]),
        )
        own = {**os.environ, "IPYTHONDIR": folder}  # no start-up files, no history
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


async def _executed(client: NotebookClient, environment: Mapping[str, str]) -> None:
    """Run a notebook; raises an interrupt, which nbclient reports as a dead kernel."""
    try:
        await client.async_execute(cleanup_kc=True, env=environment)
    except DeadKernelError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise asyncio.CancelledError from None
        raise


def _kernel(folder: str) -> AsyncKernelManager:
    """Return a kernel of this interpreter, with its sockets in a private folder."""
    return AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
        transport="ipc",
        connection_file=f"{folder}/kernel.json",
    )


def _cell(path: Path, book: Any, begun: Sequence[int]) -> str:
    return f"{path}, cell {begun[-1] + 1 if begun else 1} of {len(book.cells)}"


def _rendered(name: str, number: int, book: Any) -> RenderedNotebook:
    """Return a notebook that was run; a heading at its start is the title."""
    title = _take_title(book) or name.removesuffix(".ipynb")
    heading = title
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source, heading = _prepared(cell.source, heading)
        for output in cell.get("outputs", ()):
            _simplify(output, heading)
    settings: dict[str, Any] = {
        "template_name": "notebook",
        "extra_template_basedirs": [str(TEMPLATES)],
        "filters": {"prose": prose, "escape_markdown": escape_markdown, "fence": _fenced},
    }
    facts = {"title": title, "name": name, "unique_key": f"notebook-{number}"}
    html, _ = HTMLExporter(**settings).from_notebook_node(book, {**facts})
    facts["output_files_dir"] = "figures"
    markdown, resources = MarkdownExporter(**settings).from_notebook_node(book, facts)
    return RenderedNotebook(title, html, markdown, resources["outputs"])


def _take_title(book: Any) -> str:
    """Remove the heading that a notebook begins with, and return its text; empty without one."""
    if not book.cells or book.cells[0].cell_type != "markdown":
        return ""
    first = book.cells[0]
    tokens = parse(first.source)
    if not tokens or tokens[0].type != "heading_open" or tokens[0].map is None:
        return ""
    first.source = "\n".join(first.source.splitlines()[tokens[0].map[1] :])
    return text_of(tokens[1])


def _prepared(source: str, heading: str) -> tuple[str, str]:
    """Return prose for a section of a page, and its last heading, or else `heading`.

    Headings get the third level; a link to a file next to the notebook becomes its text.
    """
    lines, tokens = source.splitlines(), parse(source)
    for token, content in pairwise(tokens):
        if token.type == "heading_open" and token.map and token.markup.startswith("#"):
            heading = text_of(content)
            lines[token.map[0]] = f"### {content.content}"
    return _RELATIVE_LINK.sub(r"\1", "\n".join(lines)), heading


def _simplify(output: Any, heading: str) -> None:
    """Keep of an output what a page without scripts can show, and bound its length."""
    if output.output_type == "error":
        output.traceback = [f"{output.ename}: {output.evalue}"]
        return
    if output.output_type == "stream":
        output.text = _bounded(output.text)
        return
    html = _INVISIBLE.sub("", output.data.get("text/html", ""))
    kept = {"text/plain": _bounded(output.data.get("text/plain", ""))}
    if "<table" in html and len(html) <= _LONGEST_TEXT:
        kept["text/html"] = _sanitized(html)
    output.data = {
        name: output.data[name] for name in ("image/svg+xml", "image/png") if name in output.data
    } or kept
    output.metadata["alt"] = heading


def _sanitized(html: str) -> str:
    """Return the tables of a piece of HTML, and of everything else the text."""
    cleaner = SanitizeHTML(tags=_TABLE, attributes=_SPANS, strip=True)
    return str(cleaner.sanitize_html_tags(html))


def _bounded(text: str) -> str:
    """Return text without colours, cut after `_LONGEST_TEXT` characters."""
    plain = _COLOURS.sub("", text).rstrip()
    return plain if len(plain) <= _LONGEST_TEXT else f"{plain[:_LONGEST_TEXT]}…"


def _fenced(text: str, language: str = "text") -> str:
    """Return text as a fenced block that the text cannot end."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
