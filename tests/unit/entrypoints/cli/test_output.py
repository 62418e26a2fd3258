import json
import os
import pty
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest

from application.scoring.progress import Progress
from domain.errors import Misconfigured, NotFound
from entrypoints.cli import output

HEADER = ["model", "RMSE", "rows", "what it is"]
LINE = ("housing/1", 45_123.456, 4_128, "a rather long description of what this model is " * 3)


def on_terminal(act: Callable[[], None], monkeypatch: pytest.MonkeyPatch, columns: int = 80) -> str:
    """Return what a function prints on a terminal of some width."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w") as stream, redirect_stdout(stream), redirect_stderr(stream):
        act()
    shown = b""
    with os.fdopen(reading, "rb", buffering=0) as screen:
        try:
            while block := screen.read(65_536):
                shown += block
        except OSError:  # how Linux says that nobody writes any more
            pass
    return shown.decode()


def plain(shown: str) -> list[str]:
    """Return the lines on a screen without colours."""
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()]


def test_a_table_in_a_pipe_has_one_line_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(output.grid(HEADER, [LINE, LINE]))
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["model", "RMSE", "rows", "what", "it", "is"]
    assert len(lines) == 2
    assert "45,123.46  4,128  a rather" in lines[0]
    assert "\x1b" not in lines[0]
    assert not any(line.endswith(" ") for line in (header, *lines))


def test_a_table_fits_a_narrow_terminal_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = on_terminal(lambda: output.show(output.grid(HEADER, [LINE])), monkeypatch, 50)
    lines = text.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert max(map(len, lines)) <= 50
    assert "".join(text.split()).count("description") == 3


def test_a_table_that_does_not_fit_is_shown_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    header, rows = (
        ["model", "RMSE", "created"],
        [("housing/1", 12.5, "today"), ("housing/2", 8, "")],
    )
    wide = on_terminal(lambda: output.show_rows(header, rows), monkeypatch, 40)
    assert plain(wide)[0].split() == header
    assert plain(wide)[1].split() == ["housing/1", "12.50", "today"]
    narrow = on_terminal(lambda: output.show_rows(header, rows), monkeypatch, 20)
    assert plain(narrow) == [
        "model    housing/1",
        "RMSE     12.50",
        "created  today",
        "",
        "model    housing/2",
        "RMSE     8",
        "created",
    ]


def test_commands_that_do_not_fit_stand_above_their_meaning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands = {"modelport serve": "then open http://127.0.0.1:8000/docs", "modelport doctor": "?"}
    wide = on_terminal(lambda: output.show_commands(commands), monkeypatch, 60)
    assert plain(wide)[0] == "modelport serve   then open http://127.0.0.1:8000/docs"
    narrow = on_terminal(lambda: output.show_commands(commands), monkeypatch, 45)
    assert plain(narrow) == [
        "modelport serve",
        "    then open http://127.0.0.1:8000/docs",
        "modelport doctor",
        "    ?",
    ]


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[1m" in on_terminal(lambda: output.show("[bold]x[/]"), monkeypatch)


def test_numbers_are_readable_and_right_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(output.grid(["n", "x"], [(1_234_567, 0.84512), (8, 12.0)]))
    assert capsys.readouterr().out.splitlines() == [
        "        n       x",
        "1,234,567  0.8451",
        "        8   12.00",
    ]


def test_text_that_looks_like_markup_is_printed_unchanged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.show(output.facts({"path": "[red]x[/red].csv", "extra": "pip install '.[train]'"}))
    output.show(output.grid(["[b]"], [("[link]",)]))
    printed = capsys.readouterr().out
    assert "[red]x[/red].csv" in printed
    assert "'.[train]'" in printed
    assert "[link]" in printed


def test_messages_go_to_stderr_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("word " * 100)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1


def test_an_error_is_printed_and_gives_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.failure(NotFound("no model 'x' [y]"), as_json=False) == 66
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "not found: no model 'x' [y]\n"


def test_an_error_is_a_json_document_if_requested(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert output.failure(Misconfigured("wrong"), as_json=True) == 78
    assert json.loads(capsys.readouterr().out) == {
        "error": {"title": "Wrong configuration", "detail": "wrong", "exit_code": 78}
    }


def test_a_document_is_strict_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit({"r²": 0.5, "none": None})
    assert json.loads(capsys.readouterr().out) == {"r²": 0.5, "none": None}
    with pytest.raises(ValueError, match="JSON"):
        output.emit({"x": float("nan")})


def test_work_is_announced_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with output.working("training [ridge]"):
        pass
    assert capsys.readouterr().err == "training [ridge]\n"


def test_progress_in_a_pipe_is_silent_for_a_short_job(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("scoring") as tell:
        tell(Progress(1, 2))
        tell(Progress(2, 2))
    assert capsys.readouterr() == ("", "")


def test_progress_in_a_pipe_is_printed_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 11.0, 59.0, 61.0, 62.0, 121.0])
    tell = output.line_per_minute("scoring", lambda: next(times))
    for rows in (500, 1_000, 5_500, 6_000, 60_500):
        tell(Progress(rows, 600_500, resumed=500))
    assert capsys.readouterr().err.splitlines() == [
        "scoring: 5,500 of 600,500 rows, 100 rows/s, 1:39:10 left",
        "scoring: 60,500 of 600,500 rows, 545 rows/s, 0:16:30 left",
    ]


def test_the_rate_is_printed_once_it_is_known() -> None:
    assert output.describe_progress(Progress(5, 9, resumed=5), 3.0) == "5 of 9 rows"
    assert output.describe_progress(Progress(9, 9, resumed=5), 0.0) == "9 of 9 rows"
    assert (
        output.describe_progress(Progress(9, 9, resumed=5), 2.0)
        == "9 of 9 rows, 2 rows/s, 0:00:00 left"
    )


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        with output.progress("scoring") as tell:
            tell(Progress(0, 2_000))
            tell(Progress(1_000, 2_000))

    shown = on_terminal(work, monkeypatch)
    assert "reading the input" in shown
    assert re.search(r"1,000 of 2,000 rows, [\d,]+ rows/s, 0:00:00 left", shown)


def test_work_on_a_terminal_is_shown_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        with output.working("training [ridge]"):
            pass

    assert "training [ridge]" in on_terminal(work, monkeypatch)


def test_results_may_be_redirected_while_the_program_runs() -> None:
    target = StringIO()
    with redirect_stdout(target):
        output.show("here")
    assert target.getvalue() == "here\n"
