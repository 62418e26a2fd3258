"""The notebooks run from top to bottom in a fresh kernel, and are kept without their outputs."""

import json
import re
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "experiments"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def name(path: Path) -> str:
    return path.stem


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def test_there_is_one_for_each_part_of_the_way() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01-exploration",
        "02-linear-models",
        "03-trees",
        "04-features-and-boosting",
        "05-uncertainty",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_it_is_kept_without_outputs(path: Path) -> None:
    book = read(path)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    assert {*book.metadata} == {"kernelspec", "language_info"}
    assert book.metadata.kernelspec.name == "python3"
    assert (
        path.read_text()
        == json.dumps(json.loads(path.read_text()), indent=1, ensure_ascii=False) + "\n"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_its_links_lead_somewhere(path: Path) -> None:
    words = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", words) if "://" not in link]
    assert [link for link in links if not (FOLDER / link).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_it_runs_in_a_fresh_kernel_and_shows_something(
    path: Path, housing_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELPORT_DATA", str(housing_csv))
    monkeypatch.setenv("MODELPORT_HOME", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    book = read(path)

    where = {"metadata": {"path": str(FOLDER)}}
    nbclient.NotebookClient(book, timeout=240, kernel_name="python3", resources=where).execute()

    code = [cell for cell in book.cells if cell.cell_type == "code"]
    shown = [output for cell in code for output in cell.outputs]
    assert [output for output in shown if output.output_type in ("error", "stream")] == []
    figures = [output for output in shown if "image/svg+xml" in output.get("data", {})]
    assert len(figures) >= 3
