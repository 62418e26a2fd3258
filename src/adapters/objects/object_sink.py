"""An object that a batch job writes: a complete local file, which is uploaded."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from adapters.files.download_cache import safe_file_name
from adapters.objects.object_address import ObjectAddress, State
from application.ports import FinishedJob, PredictionSink, PublishedOutput
from domain.data.table import Table
from domain.errors import Unavailable
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject


@dataclass(frozen=True)
class ObjectSink:
    """Writes chunks to files next to `file`, through `local`, and uploads the published files.

    A receipt object names the job of the output. Uploaded files and their receipt are removed from
    the disk. Files that a run has published and not uploaded are uploaded by the next run.
    """

    address: ObjectAddress
    local: PredictionSink
    file: Path

    @classmethod
    def at(
        cls, url: str, folder: Path, open_local: Callable[[Path], PredictionSink]
    ) -> "ObjectSink":
        """Return the sink for a URL; `folder` keeps the files that are not uploaded yet.

        Raises:
            Misconfigured: the URL names no object, or no format with its suffix can be written.
        """
        address = ObjectAddress.parse(url)
        digest = sha256(str(address).encode()).hexdigest()
        file = folder / f"{digest[:32]}-{safe_file_name(address.name)}"
        return cls(address, open_local(file), file)

    @property
    def key_columns(self) -> tuple[str, ...]:
        return ()

    def locked(self, job: BatchJob) -> AbstractContextManager[None]:
        """Lock the object against other runs on this machine."""
        return self.local.locked(job)

    def finished(self, job: BatchJob) -> FinishedJob | None:
        found = self._uploaded(job)
        if found is not None:
            self._free()  # they remain if a run was killed after it wrote the receipt
            return found
        published = self.local.finished(job)
        return None if published is None else self._upload(job, published)

    def completed_chunks(self, job: BatchJob) -> Mapping[int, ChunkReceipt]:
        return self.local.completed_chunks(job)

    def write_chunk(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        return self.local.write_chunk(job, index, table, rejects)

    def publish(self, job: BatchJob, chunks: int) -> PublishedOutput:
        self.local.publish(job, chunks)
        finished = self.local.finished(job)
        if finished is None:
            raise Unavailable(f"{self.address}: the files to upload were changed; run it again")
        return self._upload(job, finished).published

    @property
    def _rejects(self) -> ObjectAddress:
        return self.address.sibling(f"{self.address.name}.rejects.jsonl")

    @property
    def _receipt(self) -> ObjectAddress:
        return self.address.sibling(f".{self.address.name}.receipt.json")

    def _upload(self, job: BatchJob, finished: FinishedJob) -> FinishedJob:
        """Upload the objects, then the receipt: without it they are not the output of a job."""
        self._receipt.remove()
        rejects: State | None = None
        if finished.published.rejects is None:
            self._rejects.remove()
        else:
            rejects = self._rejects.upload(Path(finished.published.rejects))
        output = self.address.upload(Path(finished.published.output))
        receipt = {
            "job": job.id,
            "chunks": finished.chunks,
            "scored": finished.scored,
            "rejected": finished.rejected,
            "output": output and asdict(output),
            "rejects": rejects and asdict(rejects),
        }
        self._receipt.write(json.dumps(receipt).encode() + b"\n")
        self._free()
        return self._finished(receipt)

    def _free(self) -> None:
        """Remove the uploaded files from the disk, and then their receipt."""
        name = self.file.name
        for removed in (name, f"{name}.rejects.jsonl", f".{name}.receipt.json"):
            self.file.with_name(removed).unlink(missing_ok=True)

    def _uploaded(self, job: BatchJob) -> FinishedJob | None:
        state = self._receipt.state()
        if state is None:
            return None
        try:
            kept = json.loads(self._receipt.read(0, state.bytes))
            addresses = {"output": self.address, "rejects": self._rejects}
            now = {name: address.state() for name, address in addresses.items()}
            is_complete = kept["job"] == job.id and all(
                kept[name] == (there and asdict(there)) for name, there in now.items()
            )
            return self._finished(kept) if is_complete else None
        except (ValueError, KeyError, TypeError):
            return None

    def _finished(self, receipt: Mapping[str, Any]) -> FinishedJob:
        published = PublishedOutput(str(self.address), receipt["rejects"] and str(self._rejects))
        return FinishedJob(published, receipt["chunks"], receipt["scored"], receipt["rejected"])
