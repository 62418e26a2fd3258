"""Ports that kill processes once, and ports that record what they did."""

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from application.ports import FinishedJob, PredictionSink, PublishedOutput
from domain.data.schema import Schema
from domain.data.table import Table
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject
from tests.fakes.model import LinearPredictor, MemoryRuntime
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Harm:
    """What is killed: the worker, or (from chunk `node_from` on) its node unless it is spared.

    `marks` is a folder that remembers what has been done.
    """

    marks: Path
    before: frozenset[int] = frozenset()
    after: frozenset[int] = frozenset()
    node_from: int | None = None
    spared: int = 0

    def strike_before(self, index: int) -> None:
        """Kill before a chunk is written."""
        if index in self.before and self._first(f"before-{index}"):
            os.kill(os.getpid(), signal.SIGKILL)

    def strike_after(self, index: int) -> None:
        """Kill after a chunk was written, before its receipt is returned."""
        if index in self.after and self._first(f"after-{index}"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.node_from is not None and index >= self.node_from:
            self._strike_node(os.getppid())

    @property
    def done(self) -> set[str]:
        return {mark.name for mark in self.marks.iterdir()}

    def _strike_node(self, node: int) -> None:
        if node == self.spared:  # wait until the other node has work
            wait_until(lambda: "node" in self.done, 60, lambda: "the other node works too")
        elif self._first("node"):
            for process in (node, os.getpid()):
                os.kill(process, signal.SIGKILL)

    def _first(self, name: str) -> bool:
        try:
            (self.marks / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@dataclass(frozen=True)
class HarmfulSink:
    """A sink whose writers are killed."""

    sink: PredictionSink
    harm: Harm

    @property
    def key_columns(self) -> tuple[str, ...]:
        return self.sink.key_columns

    def locked(self, job: BatchJob) -> AbstractContextManager[None]:
        return self.sink.locked(job)

    def finished(self, job: BatchJob) -> FinishedJob | None:
        return self.sink.finished(job)

    def completed_chunks(self, job: BatchJob) -> Mapping[int, ChunkReceipt]:
        return self.sink.completed_chunks(job)

    def write_chunk(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        self.harm.strike_before(index)
        receipt = self.sink.write_chunk(job, index, table, rejects)
        self.harm.strike_after(index)
        return receipt

    def publish(self, job: BatchJob, chunks: int) -> PublishedOutput:
        return self.sink.publish(job, chunks)


@dataclass(frozen=True)
class TellingRuntime:
    """A runtime that creates a file for each model that it loads, named by the process."""

    marks: Path

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> LinearPredictor:
        (self.marks / f"{os.getpid()}-{uuid4().hex}").touch()
        return MemoryRuntime().load(schema, files)

    @property
    def loads(self) -> list[int]:
        """The process of each load of a model."""
        return sorted(int(mark.name.partition("-")[0]) for mark in self.marks.iterdir())
