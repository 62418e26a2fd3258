"""The task that runs in a worker process of a Ray cluster."""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from domain.errors import NotFound, Unavailable

_loaded: dict[str, Callable[[Any], Any]] = {}


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """A reference to a task in the object store; `folder` is the driver's working directory."""

    key: str
    task: Sequence["ray.ObjectRef[Any]"]
    folder: Path

    def __call__(self, item: Any) -> Any:
        """Run the task for an item. A process fetches the task only once."""
        if self.key not in _loaded:
            _loaded.clear()
            _change_folder(self.folder)
            _loaded[self.key] = ray.get(self.task[0])
        try:
            return _loaded[self.key](item)
        except NotFound as error:
            raise NotFound(
                f"{error} on {socket.gethostname()}; what a job reads must be "
                f"on storage that all machines of the cluster share"
            ) from error


def _change_folder(folder: Path) -> None:
    """Make relative paths mean the same as on the driver."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise Unavailable(
            f"{folder} does not exist on {socket.gethostname()} ({error.strerror}); start the job "
            f"in a folder that all machines of the cluster share"
        ) from error
