"""Completion in real shells."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.program import PROGRAM, Place

SHELLS = ("bash", "zsh", "fish")

# What bash does when somebody presses the tab key after these words.
COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_modelport_completion modelport
printf '%s\\n' "${COMPREPLY[@]}"
"""


def on_path(where: Place, home: Path) -> Place:
    """Return the place with the program on PATH and a home folder of its own."""
    path = f"{PROGRAM.parent}:{where.environment['PATH']}"
    return where.having(PATH=path, HOME=str(home))


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("pred", ["predict", "predict-one"]),
        ("models ro", ["rollback"]),
        ("train --est", ["--estimator"]),
        ("train --estimator ri", ["ridge"]),
    ],
)
def test_bash_completes_commands_options_and_values(
    empty: Place, tmp_path: Path, words: str, completed: list[str]
) -> None:
    where = on_path(empty, tmp_path)
    script = tmp_path / "completion.sh"
    script.write_text(_installed(where, "bash").read_text())
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE, "bash", str(script), "modelport", *words.split()],
        env=where.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.split(), done.stderr) == (completed, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_shown_and_installed_for_a_shell(
    empty: Place, tmp_path: Path, shell: str
) -> None:
    where = on_path(empty, tmp_path)
    shown = _in_shell(where, shell, "--show-completion")
    assert f"_MODELPORT_COMPLETE=complete_{shell}" in shown
    assert shown.strip() in _installed(where, shell).read_text()


def _in_shell(where: Place, shell: str, option: str) -> str:
    """Run the program from bash under the name of a shell, by which the program detects it."""
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [shell, "-c", f"modelport {option}; exit $?"],
        executable=bash,
        env=where.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done
    return done.stdout


def _installed(where: Place, shell: str) -> Path:
    """Install the completion; return the file that the shell reads."""
    said = _in_shell(where, shell, "--install-completion")
    assert said.startswith(f"{shell} completion installed in ")
    return Path(said.splitlines()[0].partition(" installed in ")[2])
