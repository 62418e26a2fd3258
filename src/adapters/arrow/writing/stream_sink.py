"""The output of a batch job as a stream, such as stdout."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO
from weakref import finalize

from adapters.arrow.writing.file_sink import FileSink
from adapters.arrow.writing.output_formats import format_of
from adapters.arrow.writing.output_layouts import SingleFileLayout
from adapters.files.atomic_writes import writing
from adapters.files.temporary_folders import temporary_folder
from application.ports import FinishedJob, PublishedOutput
from domain.data.table import Table
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject

_STDOUT, _STDERR = "stdout", "stderr"


class StreamSink:
    """Writes a file to a temporary folder and copies it to a stream when all rows are there.

    The rejects go to stderr, one JSON object to a line. A stream has no receipt: the same job is
    written again, and an interrupted one starts from the beginning.
    """

    def __init__(self, target: Path, suffix: str, local: FileSink | None = None) -> None:
        self._target = target
        self._suffix = suffix
        if local is None:
            with writing(target):
                folder, remove = temporary_folder("output")
            finalize(self, remove)
            local = FileSink(
                SingleFileLayout(folder / f"output{suffix}", format_of(suffix, target))
            )
        self._local = local

    def __reduce__(self) -> tuple[Callable[..., "StreamSink"], tuple[Path, str, FileSink]]:
        return StreamSink, (self._target, self._suffix, self._local)

    @property
    def key_columns(self) -> tuple[str, ...]:
        return self._local.key_columns

    def locked(self, job: BatchJob) -> AbstractContextManager[None]:
        return self._local.locked(job)

    def finished(self, job: BatchJob) -> FinishedJob | None:  # noqa: ARG002
        return None

    def completed_chunks(self, job: BatchJob) -> Mapping[int, ChunkReceipt]:
        return self._local.completed_chunks(job)

    def write_chunk(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        return self._local.write_chunk(job, index, table, rejects)

    def publish(self, job: BatchJob, chunks: int) -> PublishedOutput:
        """Copy all rows to the stream.

        Raises:
            Unavailable: its reader has closed it.
        """
        published = self._local.publish(job, chunks)
        with writing(self._target):
            if published.rejects is not None:
                _copy(published.rejects, os.fdopen(os.dup(sys.stderr.fileno()), "wb"))
            is_stdout = str(self._target) in ("-", "/dev/stdout")
            sys.stdout.flush()
            stdout = sys.stdout.fileno()
            _copy(
                published.output,
                os.fdopen(os.dup(stdout), "wb") if is_stdout else self._target.open("wb"),
            )
        name = _STDOUT if is_stdout else str(self._target)
        return PublishedOutput(name, published.rejects and _STDERR)


def _copy(path: str, stream: BinaryIO) -> None:
    with stream, Path(path).open("rb") as source:
        shutil.copyfileobj(source, stream)
