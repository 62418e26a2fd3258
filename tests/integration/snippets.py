"""Runs the code blocks of a documentation page in order, as a reader does.

CONTRIBUTING.md says what the words after a fence's language mean.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.integration.processes import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
SECONDS_PER_COMMAND = 180
START_SECONDS = 120
STOP_SECONDS = 30
LANGUAGES = ("bash", "console", "python", "diff")

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?P<words>[^\n]*)\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_SERVER_PORTS = re.compile(r"(?<![\d.,])(?:5000|8000)(?![\d,])")
_SHOWN = re.compile(r"(…|\d[\d,]*\.\d+|\s+)")


@dataclass(frozen=True)
class Snippet:
    """A code block of a page and the words after its language."""

    language: str
    words: tuple[str, ...]
    code: str
    line: int

    def option(self, name: str) -> str | None:
        """Return VALUE of a word `name=VALUE`."""
        values = [word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")]
        return values[0] if values else None


def snippets(page: str) -> Iterator[Snippet]:
    """Return the blocks of a page that are run, in order."""
    for found in _FENCE.finditer(page):
        words = tuple(found["words"].split())
        if found["language"] in LANGUAGES and "no-run" not in words:
            code = re.sub(f"^{found['indent']}", "", found["code"], flags=re.MULTILINE)
            yield Snippet(found["language"], words, code, page.count("\n", 0, found.start()) + 1)


def commands(transcript: str) -> Iterator[tuple[str, list[str]]]:
    """Return each command of a console block with the lines it is shown to print."""
    command, shown = "", list[str]()
    for line in transcript.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line.removeprefix("$ "), []
        elif line.startswith("> ") and not shown:
            command += "\n" + line.removeprefix("> ")
        elif line.strip():
            shown.append(line)
    if command:
        yield command, shown


def lacking(shown: list[str], printed: str) -> str | None:
    """Return the first line shown that was not printed, in this order; others may be between.

    `…` stands for anything, white space for any of it, and a decimal fraction for one within 1%.
    """
    lines = iter(printed.splitlines())
    return next((line for line in shown if not any(_fits(line, other) for other in lines)), None)


def _fits(shown: str, printed: str) -> bool:
    parts = [part for part in _SHOWN.split(shown.strip()) if part]
    figures = [part for part in parts if re.fullmatch(r"\d[\d,]*\.\d+", part)]
    found = re.fullmatch("".join(map(_pattern, parts)), printed.strip())
    return found is not None and all(map(_close, figures, found.groups()))


def _pattern(part: str) -> str:
    if part == "…":
        return ".*"
    if part.isspace():
        return r"\s+"
    return r"(\d[\d,]*\.\d+)" if _SHOWN.fullmatch(part) else re.escape(part)


def _close(one: str, other: str) -> bool:
    return isclose(float(one.replace(",", "")), float(other.replace(",", "")), rel_tol=0.01)


@dataclass
class Reader:
    """Follows a page in a folder; variables that a block exports are set in the next ones."""

    folder: Path
    environment: Mapping[str, str]
    ports: dict[str, int] = field(default_factory=dict)
    running: ExitStack = field(default_factory=ExitStack)

    @property
    def _state(self) -> Path:
        return self.folder.with_name("state.sh")

    def follow(self, snippet: Snippet) -> None:
        """Run a block.

        Raises:
            AssertionError: exit code or output differ from the page.
        """
        code = self._with_free_ports(snippet.code)
        match snippet.language:
            case "console" if "background" in snippet.words:
                for command, _ in commands(code):
                    self.running.enter_context(self._background(command))
            case "console":
                self._console(code, int(snippet.option("exit") or 0))
            case "bash":
                self._run(code, 0)
            case "diff":
                self._run(f"git apply -C1 --recount - <<'END'\n{code}END\n", 0)
            case "python" if path := snippet.option("file"):
                file = self.folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(code)
            case "python":
                self._run(f"python - <<'END'\n{code}END\n", 0)

    def _with_free_ports(self, text: str) -> str:
        def port(found: re.Match[str]) -> str:
            return str(self.ports.setdefault(found[0], free_port()))

        return _SERVER_PORTS.sub(port, text)

    def _console(self, transcript: str, last_exit_code: int) -> None:
        steps = list(commands(transcript))
        for number, (command, shown) in enumerate(steps, 1):
            printed = self._run(command, last_exit_code if number == len(steps) else 0)
            line = lacking(shown, printed)
            assert line is None, f"$ {command}\ndid not print\n{line}\nbut\n{printed}"

    def _run(self, script: str, exit_code: int) -> str:
        done = subprocess.run(
            ["bash", "-c", self._scripted(script)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_PER_COMMAND,
        )
        said = f"{script}\nended with {done.returncode}, not {exit_code}:\n{done.stdout}"
        assert done.returncode == exit_code, said
        return done.stdout

    def _scripted(self, script: str) -> str:
        keep = f"trap 'export -p >\"{self._state}\"' EXIT"
        return f"{self._restored()}\n{keep}\nset -eu -o pipefail\n{script}"

    def _restored(self) -> str:
        return f'if [ -e "{self._state}" ]; then . "{self._state}"; fi'

    @contextmanager
    def _background(self, command: str) -> Iterator[None]:
        port = next(port for port in self.ports.values() if str(port) in command)
        log = self.folder.with_name(f"server-{port}.log")
        with log.open("wb") as out:
            server = subprocess.Popen(
                ["bash", "-c", f"{self._restored()}\nexec {command}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            wait_until(
                lambda: server.poll() is not None or _answers(port),
                START_SECONDS,
                lambda: f"{command}:\n{log.read_text()}",
            )
            assert server.poll() is None, f"{command} ended on its own:\n{log.read_text()}"
            yield
        finally:
            _end(server)


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
            return True
    except HTTPError as error:
        with error:
            return error.code != 503
    except (URLError, OSError):
        return False


def _end(server: subprocess.Popen[bytes]) -> None:
    """End a server and the processes it started, which are in a session of their own."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(STOP_SECONDS)


@contextmanager
def reading(folder: Path, data_url: str, variant: str | None = None) -> Iterator[Reader]:
    """Return a reader who has set the address of the reference data, and perhaps a variant."""
    home = folder.with_name("home")
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "COLUMNS": "120",
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
        "MODELPORT_DATA_URL": data_url,
        "MODELPORT_VARIANT": variant or "",
        # A commit that is made meanwhile would make another model of the same training.
        "GIT_CEILING_DIRECTORIES": str(ROOT),
    }
    reader = Reader(folder, environment)
    with reader.running:
        yield reader
