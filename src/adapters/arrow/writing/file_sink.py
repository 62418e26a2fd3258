"""A file that a batch job writes, chunk by chunk, and that appears when all of it is there."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from adapters.arrow.reading.compressed_file import suffix_of
from adapters.arrow.writing.chunk_files import Part, parts_in
from adapters.arrow.writing.output_formats import Format, Piece, concatenate, format_of
from adapters.arrow.writing.output_lock import require_reserved, reserved
from adapters.arrow.writing.receipts import Content, Receipt
from adapters.files.atomic_writes import replacing, writing
from application.ports import FinishedJob, PublishedOutput
from domain.data.table import Table
from domain.errors import InvalidData, Unavailable
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject


class FileSink:
    """Writes a CSV, Parquet or JSON Lines file, by its suffix; text also compressed.

    Chunks are kept in a hidden directory beside the output until the job is published, so that an
    interrupted job goes on where it stopped; a hidden receipt tells afterwards whose output it
    is. The same job always gives the same bytes.
    """

    def __init__(self, path: Path, *, sent: bool = False) -> None:
        """Name the output; nothing is written yet. One that was `sent` writes for another process.

        Raises:
            Misconfigured: the suffix is not that of a format that can be written.
        """
        self._path = path
        self._rejects = path.with_name(f"{path.name}.rejects.jsonl")
        self._receipt = path.with_name(f".{path.name}.receipt.json")
        self._lock = path.with_name(f".{path.name}.lock")
        self._format = self._choose_format()
        self._sent = sent

    def __reduce__(self) -> tuple[Callable[..., "FileSink"], tuple[Any, ...]]:
        return partial(type(self), sent=True), (self._path,)

    @contextmanager
    def locked(self, job: BatchJob) -> Iterator[None]:
        """Keep every other run from the output, also those of other jobs."""
        with ExitStack() as held:
            with writing(self._path):
                held.enter_context(reserved(self._lock, self._path, job.id))
            yield

    def finished(self, job: BatchJob) -> FinishedJob | None:
        receipt = Receipt.read(self._receipt)
        found = receipt and receipt.finished(self._key(job), self._path, self._rejects)
        if found:
            self._clear()  # what a run has left that was killed between its receipt and its end
        return found or None

    def completed_chunks(self, job: BatchJob) -> Mapping[int, ChunkReceipt]:
        self._require_replaceable()
        with writing(self._path):
            found = [part.read_receipt() for part in parts_in(self._folder(job))]
        return {receipt.index: receipt for receipt in found if receipt is not None}

    def write_chunk(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        rows = self._encode(table)
        with writing(self._path):
            if self._sent:
                require_reserved(self._lock, self._path, job.id)
            return Part(self._folder(job), index).write(rows, rejects, len(table))

    def publish(self, job: BatchJob, chunks: int) -> PublishedOutput:
        if not chunks:
            raise InvalidData(f"{self._path}: there are no rows to write")
        done = self.completed_chunks(job)
        lacking = sorted({*range(chunks)} - {*done})
        if lacking:
            raise Unavailable(
                f"{self._path}: chunk {lacking[0]} of {chunks} is not written; run the same again"
            )
        with writing(self._path):
            receipt = self._publish(job, [done[index] for index in range(chunks)])
            receipt.write(self._receipt, self._folder(job))
            self._clear()
        return PublishedOutput(
            str(self._path), None if receipt.rejects is None else str(self._rejects)
        )

    def _publish(self, job: BatchJob, done: Sequence[ChunkReceipt]) -> Receipt:
        """Put the files under their names; until the receipt follows, they are nobody's."""
        folder = self._folder(job)
        parts = [Part(folder, receipt.index) for receipt in done]
        rejected = [Piece(part.rejects) for part, receipt in zip(parts, done, strict=True)
                    if receipt.rejected]  # fmt: skip
        self._receipt.unlink(missing_ok=True)
        rejects = None
        if rejected:
            rejects = _put(self._rejects, folder, lambda stream: concatenate(rejected, stream))
        else:
            self._rejects.unlink(missing_ok=True)
        rows = [part.rows for part in parts]
        output = self._put_output(rows, folder)
        return Receipt(
            job=self._key(job),
            model=job.model,
            data_sha256=job.data_sha256,
            chunks=len(done),
            scored=sum(receipt.scored for receipt in done),
            rejected=sum(receipt.rejected for receipt in done),
            output=output,
            rejects=rejects,
        )

    def _choose_format(self) -> Format:
        return format_of(suffix_of(self._path), self._path)

    def _key(self, job: BatchJob) -> str:
        """Return what names a job's chunks: those of two layouts are not mixed."""
        return job.id

    def _encode(self, table: Table) -> bytes:
        return self._format.encode(table)

    def _require_replaceable(self) -> None:
        if self._path.is_dir():
            raise Unavailable(f"{self._path} is a directory; name a file to write")

    def _put_output(self, rows: Sequence[Path], folder: Path) -> Content:
        pieces = [*map(Piece, rows)]
        merge = self._format.merging(pieces)
        return _put(self._path, folder, lambda stream: merge(pieces, stream))

    def _folder(self, job: BatchJob) -> Path:
        return self._path.with_name(f".{self._path.name}.{self._key(job)}.parts")

    def _clear(self) -> None:
        """Remove the chunks of every job that was to have this output: one has got it."""
        named = re.compile(rf"\.{re.escape(self._path.name)}\.[0-9a-f]{{16}}\.parts")
        for folder in self._path.parent.iterdir():
            if named.fullmatch(folder.name):
                shutil.rmtree(folder)


def _put(path: Path, folder: Path, fill: Callable[[BinaryIO], None]) -> Content:
    """Give a file a new content at once, and return what it is."""
    with replacing(path, folder) as stream:
        fill(stream)
        stream.flush()
        return Content.of(stream)
