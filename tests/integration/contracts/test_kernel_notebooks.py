import os
import signal
import time
from pathlib import Path
from threading import Thread

import pytest

from adapters.notebooks.notebook_runner import KernelNotebooks
from domain.errors import UnreadableData
from domain.reports.document import Code, DocumentGrid, Output, Paragraph, Picture, Points
from tests.integration.contracts.notebooks import NotebooksContract, Put
from tests.integration.notebook_files import write_notebook

SHOWS = """
from IPython.display import HTML, SVG, display
display(SVG('<svg xmlns="http://www.w3.org/2000/svg"><text>drawn</text></svg>'))
display(HTML('<style>th {color: red}</style><table><tr><th></th><th>n &lt; 3</th></tr>'
             '<tr><th>a</th><td>1.5</td></tr><tr><th>b</th><td>-2</td></tr></table>'))
display(HTML('<table><tr><th colspan="2">both</th></tr><tr><td>1</td><td>2</td></tr></table>'))
import sys
print("\\x1b[31mred\\x1b[0m", file=sys.stderr)
6 * 7
"""
PROSE = """
## What *it* is

One `x < 1`,
with [data](../data.md), [a site](https://a.example/b) and <b>bold</b>.

- **first**
- second

```
as it is
```
"""


class TestKernelNotebooks(NotebooksContract):
    @pytest.fixture
    def notebooks(self) -> KernelNotebooks:
        return KernelNotebooks()

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        def keep(name: str, *cells: tuple[str, str]) -> str:
            write_notebook(tmp_path / name, *cells)
            return str(tmp_path)

        return keep

    def test_prose_pictures_and_tables_are_parts(
        self, notebooks: KernelNotebooks, put: Put, tmp_path: Path
    ) -> None:
        before = tmp_path / put("a.ipynb", ("markdown", PROSE), ("code", SHOWS)) / "a.ipynb"
        kept = before.read_text()
        (book,) = notebooks.run(str(tmp_path))
        assert book.title == "What it is"
        prose, points, as_it_is, code, picture, grid, *texts = book.parts
        assert prose == Paragraph(
            "One `x < 1`, with data, a site (https://a.example/b) and <b>bold</b>."
        )
        assert (points, as_it_is) == (Points(("first", "second")), Output("as it is"))
        assert code == Code(SHOWS)
        assert isinstance(picture, Picture)
        assert picture.title == "What it is"
        assert "<text>drawn</text>" in picture.svg
        assert grid == DocumentGrid(("", "n < 3"), (("a", "1.5"), ("b", "-2")))
        assert {*texts} == {
            Output("<IPython.core.display.HTML object>"),
            Output("red"),
            Output("42"),
        }
        assert before.read_text() == kept
        assert [*tmp_path.iterdir()] == [before]

    def test_an_interrupt_ends_the_kernel_and_stays_one(
        self, notebooks: KernelNotebooks, put: Put, tmp_path: Path
    ) -> None:
        waits = "from os import getpid; open('pid', 'w').write(f'{getpid()}\\n')\nimport time\n"
        folder = put("a.ipynb", ("code", f"{waits}time.sleep(120)"))
        pid = tmp_path / "pid"

        def interrupt() -> None:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                if pid.exists() and pid.read_text().endswith("\n"):
                    os.kill(os.getpid(), signal.SIGINT)
                    return
                time.sleep(0.05)

        thread = Thread(target=interrupt)
        # As in a program; whoever runs these tests may have chosen to ignore it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                notebooks.run(folder)
            thread.join()
        finally:
            signal.signal(signal.SIGINT, before)
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)

    @pytest.mark.parametrize("text", ["{", "[]", '{"nbformat": 3}', '{"nbformat": 4, "cells": 1}'])
    def test_what_is_no_notebook_is_refused(
        self, notebooks: KernelNotebooks, tmp_path: Path, text: str
    ) -> None:
        (tmp_path / "a.ipynb").write_text(text)
        with pytest.raises(UnreadableData, match=r"a\.ipynb is not a notebook"):
            notebooks.run(str(tmp_path))
