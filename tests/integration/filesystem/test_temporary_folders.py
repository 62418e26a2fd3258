"""What killed processes leave below the folder for temporary files goes; what is in use stays."""

import multiprocessing
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from adapters.files.temporary_folders import temporary_folder
from tests.integration.processes import STOP_SECONDS

_SERVED = multiprocessing.get_context("forkserver")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def hold(temporary: Path, connection: Connection) -> None:
    """Keep a folder until the other side is closed or this process is killed."""
    tempfile.tempdir = str(temporary)
    folder, remove = temporary_folder("test")
    (folder / "content").write_bytes(b"x" * 100)
    connection.send(folder)
    connection.poll(None)
    remove()
    connection.send(None)


def test_what_a_killed_process_left_is_removed_by_the_next(temporary: Path) -> None:
    folders, processes, ends = [], [], []
    for _ in range(2):
        here, there = _SERVED.Pipe()
        process = _SERVED.Process(target=hold, args=(temporary, there))
        process.start()
        folders.append(here.recv())
        processes.append(process)
        ends.append(here)
    processes[0].kill()
    processes[0].join(STOP_SECONDS)
    strange = temporary / "modelport-metrics-x"
    strange.mkdir()
    folder, remove = temporary_folder("test")
    assert {*temporary.glob("modelport-*")} == {folders[1], folder, strange}
    assert (folders[1] / "content").stat().st_size == 100
    remove()
    ends[1].send("end")
    assert ends[1].recv() is None
    processes[1].join(STOP_SECONDS)
    assert [*temporary.glob("modelport-*")] == [strange]


def test_a_link_is_not_followed(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    (temporary / "modelport-unpacked-x").symlink_to(elsewhere)
    _, remove = temporary_folder("test")
    assert (elsewhere / "lock").exists()
    remove()
