"""What runs in a worker process of a Ray cluster."""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from domain.errors import NotFound, Unavailable

_held: dict[str, Callable[[Any], Any]] = {}


@dataclass(frozen=True, slots=True)
class Sent:
    """A task on its way: `task` refers to it in the object store, `folder` is where it began."""

    key: str
    task: Sequence["ray.ObjectRef[Any]"]
    folder: Path

    def __call__(self, item: Any) -> Any:
        """Run the task for an item; a process fetches it, and loads what it needs, once."""
        if self.key not in _held:
            _held.clear()
            _enter(self.folder)
            _held[self.key] = ray.get(self.task[0])
        try:
            return _held[self.key](item)
        except NotFound as error:
            raise NotFound(
                f"{error} on {socket.gethostname()}; what a job reads must be "
                f"on storage that all machines of the cluster share"
            ) from error


def _enter(folder: Path) -> None:
    """Go where relative paths mean what they mean to the program that sent the task."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise Unavailable(
            f"{folder} is not there on {socket.gethostname()} ({error.strerror}); a job must be "
            f"started in a folder that all machines of the cluster share"
        ) from error
