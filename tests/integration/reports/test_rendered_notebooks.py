import os
import re
import signal
import time
from base64 import b64decode
from pathlib import Path
from threading import Thread

import pytest

from domain.errors import InvalidData, NotFound, UnreadableData
from entrypoints.reports.notebooks import run_notebooks
from tests.integration.notebook_files import write_notebook

SHOWS = """
from IPython.display import HTML, SVG, display
display(SVG('<svg xmlns="http://www.w3.org/2000/svg"><script/><text>drawn</text></svg>'))
display(HTML('<style>th {color: red}</style><table onclick="x"><tr><th></th><th>n &lt; 3</th></tr>'
             '<tr><th>a</th><td>1.5<script>bad()</script></td></tr></table>'))
display(HTML('<b>no table</b>'))
import sys
print("\\x1b[31mred\\x1b[0m", file=sys.stderr)
print("<o>")
6 * 7
"""
PROSE = """
## What *it* is

One `x < 1`,
with [data](../data.md), [a site](https://a.example/b) and <b>bold</b>.

# Then

- **first**

```
# as it is
```
"""


def test_notebooks_run_by_name_each_from_the_top(tmp_path: Path) -> None:
    write_notebook(tmp_path / "b.ipynb", ("code", "print('x' in globals())"))
    cells = [("markdown", "# The first"), ("markdown", "It adds."), ("code", "x = 1")]
    write_notebook(tmp_path / "a.ipynb", *cells, ("code", "print(x + 1)\nprint(x)"))
    first, second = run_notebooks(str(tmp_path))
    assert (first.title, second.title) == ("The first", "b")
    assert "<h2>The first</h2>" in first.html
    assert "<p>It adds.</p>" in first.html
    assert "<details><summary>Code</summary><pre>x = 1</pre></details>" in first.html
    assert "<pre>2\n1</pre>" in first.html
    assert "## The first\n\nThe notebook `a.ipynb`, run from top to bottom" in first.markdown
    assert "```python\nx = 1\n```" in first.markdown
    assert "```text\n2\n1\n```" in first.markdown
    assert "<pre>False</pre>" in second.html


def test_outputs_are_shown_without_scripts_and_addresses(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    write_notebook(path, ("markdown", PROSE), ("code", SHOWS))
    before = path.read_text()
    (book,) = run_notebooks(str(tmp_path))
    shown = re.sub("<details>.*?</details>", "", book.html, flags=re.DOTALL)
    assert book.title == "What it is"
    expected = "One <code>x &lt; 1</code>,\nwith data, a site (https://a.example/b) and &lt;b&gt;"
    assert expected in shown
    assert "<h3>Then</h3>" in shown
    assert "# as it is" in shown
    assert not {"href", "<b", "<style", "<script", "onclick", "<o>"} & {
        *re.findall(r"<?\w+>?", shown)
    }
    assert re.search(r"<table>\s*(<tbody>)?<tr>\s*<th></th>\s*<th>n &lt; 3</th>", shown)
    for text in ("red", "&lt;o&gt;", "42", "&lt;IPython.core.display.HTML object&gt;"):
        assert f"<pre>{text}</pre>" in shown
    ((alt, address),) = re.findall(r'<img alt="([^"]*)" src="([^"]*)"', shown)
    assert alt == "Then"
    assert b"<text>drawn</text>" in b64decode(address.partition(",")[2])
    ((path_of_figure, content),) = book.figures.items()
    assert f"![Then]({path_of_figure})" in book.markdown
    assert path_of_figure.startswith("figures/notebook-1")
    assert b"drawn" in content
    assert path.read_text() == before
    assert [*tmp_path.iterdir()] == [path]


def test_long_outputs_are_cut(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", ("code", "print('x' * 1_000_000)\n'y' * 1_000_000"))
    (book,) = run_notebooks(str(tmp_path))
    assert len(book.html) < 50_000
    assert len(book.markdown) < 50_000


def test_a_fence_in_an_output_does_not_end_its_block(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", ("code", "print('```')"))
    (book,) = run_notebooks(str(tmp_path))
    assert "````text\n```\n````" in book.markdown


def test_a_cell_that_fails_is_named(tmp_path: Path) -> None:
    write_notebook(
        tmp_path / "bad.ipynb", ("markdown", "Now."), ("code", "y = 1"), ("code", "y / 0")
    )
    with pytest.raises(InvalidData, match=r"bad\.ipynb, cell 3 of 3 fails: ZeroDivisionError"):
        run_notebooks(str(tmp_path))


def test_a_folder_without_notebooks_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="elsewhere"):
        run_notebooks(f"{tmp_path}/elsewhere")


def test_an_interrupt_ends_the_kernel_and_stays_one(tmp_path: Path) -> None:
    waits = "from os import getpid; open('pid', 'w').write(f'{getpid()}\\n')\nimport time\n"
    write_notebook(tmp_path / "a.ipynb", ("code", f"{waits}time.sleep(120)"))
    pid = tmp_path / "pid"

    def interrupt() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if pid.exists() and pid.read_text().endswith("\n"):
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.05)

    thread = Thread(target=interrupt)
    # As in a program; the process that runs the tests may ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            run_notebooks(str(tmp_path))
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize("text", ["{", "[]", '{"nbformat": 3}', '{"nbformat": 4, "cells": 1}'])
def test_a_file_that_is_not_a_notebook_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(UnreadableData, match=r"a\.ipynb is not a notebook"):
        run_notebooks(str(tmp_path))
