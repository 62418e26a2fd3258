import fcntl
import multiprocessing
from pathlib import Path

from adapters.files.locks import locked


def test_a_lock_ends_with_its_block_even_if_a_process_was_forked_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    fork = multiprocessing.get_context("fork")
    stop = fork.Event()
    with locked(path):
        child = fork.Process(target=stop.wait, args=(60,))
        child.start()
    try:
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert child.is_alive()
    finally:
        stop.set()
        child.join()
