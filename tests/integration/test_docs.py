"""The documentation says what is so: links lead somewhere, nothing is left out."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain import errors
from entrypoints.cli.command_table import SUMMARIES, load_command
from entrypoints.http.app import Application
from entrypoints.http.middleware.exposition import METRICS
from entrypoints.wiring.container import build_container
from entrypoints.wiring.settings import Settings, Variant, variables
from tests.integration.following import FOLLOWED, copy, name
from tests.integration.snippets import commands, lacking

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted(DOCS.rglob("*.md"))
EVERYTHING = [*PAGES, *ROOT.glob("*.md"), *(ROOT / "data").glob("*.md")]
MISSPELT = "MODELPORT_TRAKER"  # on purpose, to show what is said of it

_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", EVERYTHING, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in _links(page) if not _resolves(page, link)]
    assert broken == []


def _links(page: Path) -> Iterator[str]:
    for link in _LINK.findall(_BLOCK.sub("", page.read_text())):
        if not re.match(r"https?://|mailto:", link):
            yield link


def _resolves(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in {_anchor(line) for line in target.read_text().splitlines()}


def _anchor(line: str) -> str | None:
    """Return the anchor that GitHub gives to a heading."""
    heading = re.fullmatch(r"#+ (.*)", line)
    return re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-") if heading else None


def test_reference_pages_are_those_that_the_code_makes() -> None:
    check: list[str | Path] = [sys.executable, REFERENCE / "generate.py", "--check"]
    result = subprocess.run(check, capture_output=True, text=True, cwd=ROOT.parent)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_stale_reference_page_is_named(tmp_path: Path) -> None:
    pages = tmp_path / "docs" / "reference"
    shutil.copytree(REFERENCE, pages)
    copy(ROOT / "data/housing.toml", tmp_path / "data/housing.toml")
    (pages / "cli.md").write_text("what was true a year ago\n")
    (pages / "errors.md").unlink()

    generate = [sys.executable, str(pages / "generate.py")]
    check = subprocess.run([*generate, "--check"], capture_output=True, text=True)
    subprocess.run(generate, check=True, capture_output=True)

    assert check.returncode == 1
    assert re.findall(r"\w+\.md", check.stderr) == ["cli.md", "errors.md"]
    for page in ("settings.md", "cli.md", "http.md", "errors.md"):
        assert (pages / page).read_text() == (REFERENCE / page).read_text()


def test_every_setting_is_in_the_reference() -> None:
    page = (REFERENCE / "settings.md").read_text()
    assert [v for v in variables().values() if f"| `{v}` |" not in page] == []


def test_every_command_and_option_is_in_the_reference() -> None:
    page = (REFERENCE / "cli.md").read_text()
    for path, command in _commands():
        _, heading, section = page.partition(f"## `{path}`\n")
        assert heading, path
        section = section.partition("\n## ")[0]
        options = [option for p in command.params for option in p.opts if option[0] == "-"]
        assert [option for option in options if f"`{option}`" not in section] == [], path


def test_every_path_is_in_the_reference() -> None:
    page = (REFERENCE / "http.md").read_text()
    app = Application(build_container(Settings(variant=Variant.API_BASELINE))).api()
    paths = {getattr(route, "path", "/") for route in app.routes} | {*app.openapi()["paths"]}
    shown = {path for path in paths if f" {path}`\n" in page or f"| `{path}` |" in page}
    assert paths - shown == {"/swagger"}


def test_every_error_is_in_the_reference() -> None:
    page = (REFERENCE / "errors.md").read_text()
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Exception)]
    assert [kind.__name__ for kind in kinds if f"| `{kind.__name__}` |" not in page] == []


@pytest.mark.parametrize("page", EVERYTHING, ids=name)
def test_pages_name_no_setting_and_no_command_that_there_is_not(page: Path) -> None:
    text = page.read_text()
    settings = set(re.findall(r"\bMODELPORT_[A-Z0-9_]+\b", text))
    known = [path.removeprefix("modelport ") for path, _ in _commands()]
    named = re.findall(r"(?:^\$ |^|`|bin/)modelport ((?:[a-z][a-z-]* ?){1,2})", text, re.MULTILINE)

    assert settings <= {*variables().values(), "MODELPORT_", MISSPELT}
    assert [
        words for words in named if not any(f"{words.strip()} ".startswith(f"{c} ") for c in known)
    ] == []


def _commands() -> Iterator[tuple[str, Any]]:
    for group in SUMMARIES:
        command = load_command(group)
        if not hasattr(command, "commands"):
            yield f"modelport {group}", command
            continue
        for word, child in command.commands.items():
            yield f"modelport {group} {word}", child


def test_every_page_that_shows_how_is_followed() -> None:
    shown = [ROOT / "README.md", DOCS / "tutorial.md", *sorted(DOCS.glob("how-to/*.md"))]
    assert [page for half in FOLLOWED for page in half] == shown
    assert FOLLOWED[0]
    assert FOLLOWED[1]


def test_the_index_leads_to_every_page() -> None:
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in _links(DOCS / "index.md")}
    assert [name(page) for page in PAGES if page not in linked and page.name != "index.md"] == []


def test_rules_for_alerts_use_existing_metrics() -> None:
    text = (DOCS / "how-to" / "secure-and-observe.md").read_text()
    used = {*re.findall(r"\b(?:modelport|process)_\w+", "".join(re.findall("expr: .*", text)))}
    assert used
    assert {name.removesuffix("_bucket") for name in used} <= {*METRICS}


def test_decisions_are_numbered_without_gaps_and_say_what_was_weighed() -> None:
    pages = sorted((DOCS / "adr").glob("[0-9]*.md"))
    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        headings = re.findall("^## (.*)$", page.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Alternatives"], page.name


def test_a_transcript_is_split_into_commands_and_what_they_print() -> None:
    transcript = "$ one --two\nout\n\nmore\n$ three <<'END'\n> four\n> END\n$ five\n"
    assert list(commands(transcript)) == [
        ("one --two", ["out", "more"]),
        ("three <<'END'\nfour\nEND", []),
        ("five", []),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        (["a", "c"], "a\nb\nc\n", None),
        (["c", "a"], "a\nb\nc\n", "a"),
        (["rmse  1,000.00 USD"], "rmse 1,009.50  USD", None),
        (["rmse  1,000.00 USD"], "rmse 1,011.00  USD", "rmse  1,000.00 USD"),
        (["time … s"], "time 3.2 s", None),
        (["20,640 rows"], "20,641 rows", "20,640 rows"),
        (["…refused…"], "it was refused: 3", None),
        (["anything"], "", "anything"),
    ],
)
def test_output_is_compared_loosely(shown: list[str], printed: str, missing: str | None) -> None:
    assert lacking(shown, printed) == missing
