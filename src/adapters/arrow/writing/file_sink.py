"""The output of a batch job as files: written chunk by chunk, published at once."""

import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from adapters.arrow.writing.completed_chunks import ChunkFiles, chunks_in
from adapters.arrow.writing.output_formats import ByteRange, concatenate
from adapters.arrow.writing.output_layouts import OutputLayout, publish_file
from adapters.arrow.writing.receipts import OutputReceipt
from adapters.files.atomic_writes import writing
from adapters.files.locks import AlreadyLocked, holds_job_lock, job_lock
from application.ports import FinishedJob, PublishedOutput
from domain.data.table import Table
from domain.errors import Conflict, InvalidData, Unavailable
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject


class FileSink:
    """A `PredictionSink` that writes the files of a layout.

    Chunks are stored in a hidden folder next to the output until the job is published, so that an
    interrupted job resumes. A hidden receipt then records which job wrote the output. The same
    job always writes the same bytes.
    """

    def __init__(self, layout: OutputLayout, *, in_worker: bool = False) -> None:
        """Write nothing yet. A sink in a worker checks that the run still holds its lock."""
        path = layout.path
        self._layout = layout
        self._path = path
        self._rejects = path.with_name(f"{path.name}.rejects.jsonl")
        self._receipt = path.with_name(f".{path.name}.receipt.json")
        self._lock = path.with_name(f".{path.name}.lock")
        self._in_worker = in_worker

    @property
    def key_columns(self) -> tuple[str, ...]:
        return ()

    def __reduce__(self) -> tuple[Callable[..., "FileSink"], tuple[Any, ...]]:
        return partial(type(self), in_worker=True), (self._layout,)

    @contextmanager
    def locked(self, job: BatchJob) -> Iterator[None]:
        """Lock the output against every other run, also of other jobs.

        Raises:
            Conflict: another run holds the lock.
            Misconfigured, Conflict, Unavailable: the layout refuses the job; see `OutputLayout`.
        """
        self._layout.require_writable(job)
        with ExitStack() as held:
            try:
                with writing(self._path):
                    held.enter_context(job_lock(self._lock, job.id))
            except AlreadyLocked as holder:
                raise Conflict(
                    f"{self._path} is being written by another run ({holder}); "
                    f"wait until it has ended and run the same again, or name another output"
                ) from None
            yield

    def finished(self, job: BatchJob) -> FinishedJob | None:
        receipt = OutputReceipt.read(self._receipt)
        if receipt is None or not receipt.is_of(self._key(job), self._path, self._rejects):
            return None
        self._remove_chunks()  # they remain if a run was killed after it wrote the receipt
        return FinishedJob(
            self._published(receipt), receipt.chunks, receipt.scored, receipt.rejected
        )

    def completed_chunks(self, job: BatchJob) -> Mapping[int, ChunkReceipt]:
        self._layout.require_writable(job)
        with writing(self._path):
            found = [chunk.read_receipt() for chunk in chunks_in(self._folder(job))]
        return {receipt.index: receipt for receipt in found if receipt is not None}

    def write_chunk(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        rows = self._layout.encode(table)
        with writing(self._path):
            if self._in_worker and not holds_job_lock(self._lock, job.id):
                raise Unavailable(
                    f"{self._path}: the run of job {job.id} is not visible from "
                    f"{socket.gethostname()}; the output must be on storage that all machines "
                    f"share which write to it"
                )
            return ChunkFiles(self._folder(job), index).write(rows, rejects, len(table))

    def publish(self, job: BatchJob, chunks: int) -> PublishedOutput:
        if not chunks:
            raise InvalidData(f"{self._path}: there are no rows to write")
        done = self.completed_chunks(job)
        missing = sorted({*range(chunks)} - {*done})
        if missing:
            raise Unavailable(
                f"{self._path}: chunk {missing[0]} of {chunks} is not written; run the same again"
            )
        with writing(self._path):
            receipt = self._put_files(job, [done[index] for index in range(chunks)])
            receipt.write(self._receipt, self._folder(job))
            self._remove_chunks()
        return self._published(receipt)

    def _put_files(self, job: BatchJob, done: Sequence[ChunkReceipt]) -> OutputReceipt:
        """Write output and rejects. Without a receipt they do not count as output of a job."""
        folder = self._folder(job)
        chunks = [ChunkFiles(folder, receipt.index) for receipt in done]
        rejected = [ByteRange(chunk.rejects) for chunk, receipt in zip(chunks, done, strict=True)
                    if receipt.rejected]  # fmt: skip
        self._receipt.unlink(missing_ok=True)
        rejects = None
        if rejected:
            rejects = publish_file(self._rejects, folder, partial(concatenate, rejected))
        else:
            self._rejects.unlink(missing_ok=True)
        output = self._layout.assemble([chunk.rows for chunk in chunks], folder)
        return OutputReceipt(
            job=self._key(job),
            model=job.model,
            data_sha256=job.data_sha256,
            chunks=len(done),
            scored=sum(receipt.scored for receipt in done),
            rejected=sum(receipt.rejected for receipt in done),
            output=output,
            rejects=rejects,
        )

    def _published(self, receipt: OutputReceipt) -> PublishedOutput:
        rejects = None if receipt.rejects is None else str(self._rejects)
        return PublishedOutput(str(self._path), rejects)

    def _key(self, job: BatchJob) -> str:
        return self._layout.key(job.id)

    def _folder(self, job: BatchJob) -> Path:
        return self._path.with_name(f".{self._path.name}.{self._key(job)}.parts")

    def _remove_chunks(self) -> None:
        """Remove the chunks of every job for this output."""
        folders = re.compile(rf"\.{re.escape(self._path.name)}\.[0-9a-f]{{16}}\.parts")
        for folder in self._path.parent.iterdir():
            if folders.fullmatch(folder.name):
                shutil.rmtree(folder)
