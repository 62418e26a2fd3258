"""Stores to be put into another process."""

import os
import signal
import time

from adapters.filesystem.file_model_store import FileStore
from domain.errors import Misconfigured
from domain.model.reference import ModelRef, ModelVersion


class OddStore(FileStore):
    """A store that prints, hangs, ends its process or fails, by the name that is asked for."""

    def names(self) -> list[str]:
        print("a line that is no answer")
        return [str(os.getpid()), str(os.nice(0))]

    def versions(self, name: str) -> list[ModelVersion]:
        if name == "hang":
            time.sleep(600)
        if name == "end":
            os.kill(os.getpid(), signal.SIGKILL)
        raise KeyError(name)

    def resolve(self, ref: ModelRef) -> ModelVersion:
        signal.raise_signal(signal.SIGINT)  # as Ctrl-C in a terminal sends it to all processes
        return super().resolve(ref)


def unbuildable() -> FileStore:
    """Make no store."""
    raise Misconfigured("there is no such store")
