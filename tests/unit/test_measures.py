"""The measures of the code base: sizes, unique names, a domain without presentation."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src"
LAYERS = ("domain", "application", "adapters", "entrypoints")
MOST_MODULES = 14
LONGEST_FUNCTION = 45
LONGEST_MODULE = 400

PRESENTATION = {
    "HTML": re.compile(
        r"</?(a|b|br|code|div|em|figure|h[1-6]|li|p|pre|span|strong|table|td|th|tr|ul)\b"
    ),
    "Markdown": re.compile(r"^#{1,6} |\| ?-{3}|\*\*\w|\]\(|```", re.MULTILINE),
    "a command": re.compile(r"\bmodelport [a-z]|(?<!\w)--[a-z]"),
    "a library": re.compile(
        r"\b(scikit-learn|sklearn|skops|pandas|mlflow|fastapi|uvicorn|pydantic|sqlalchemy|pyarrow|llvmlite|ray)\b",
        re.IGNORECASE,
    ),
}


@cache
def modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in sorted(SOURCES.rglob("*.py"))}


def relative(path: Path) -> str:
    return str(path.relative_to(SOURCES))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the string literals of a module that are not docstrings, with their lines."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in docstrings:
            continue
        if isinstance(node.value, str):
            yield node.lineno, node.value


def test_the_sources_are_found() -> None:
    assert {path.relative_to(SOURCES).parts[0] for path in modules()} >= {*LAYERS}


def test_no_folder_holds_too_many_modules() -> None:
    folders: dict[str, int] = defaultdict(int)
    for path in modules():
        folders[relative(path.parent)] += path.name != "__init__.py"
    assert {folder: n for folder, n in folders.items() if n > MOST_MODULES} == {}


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(relative(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_two_modules_of_a_layer_share_a_name() -> None:
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in modules():
        if not path.name.startswith("__"):
            places[relative(path).split("/")[0], path.name].append(relative(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_function_is_too_long() -> None:
    long = {
        f"{relative(path)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path, tree in modules().items()
        for node in functions(tree)
        if node.end_lineno is not None and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    }
    assert long == {}


def test_no_module_is_too_long() -> None:
    lines = {relative(path): len(path.read_text().splitlines()) for path in modules()}
    assert {name: count for name, count in lines.items() if count > LONGEST_MODULE} == {}


@pytest.mark.parametrize("kind", PRESENTATION)
def test_the_domain_is_free_of_presentation(kind: str) -> None:
    found = [
        f"{relative(path)}:{line} {text!r}"
        for path, tree in modules().items()
        if relative(path).startswith("domain")
        for line, text in texts(tree)
        if PRESENTATION[kind].search(text)
    ]
    assert found == []
