"""Proof that a file is the output of a job: its receipt, a hidden file beside it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Any, Self

from adapters.files.atomic_writes import json_line, replacing
from application.ports import FinishedJob, PublishedOutput


@dataclass(frozen=True, slots=True)
class Content:
    """What a file must hold."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, stream: BufferedReader | BufferedRandom) -> Self:
        """Return what an open file holds, from its beginning."""
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(stream.tell(), digest)

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        """Return what the files of a folder hold, by their names from there on."""
        size, digest = 0, hashlib.sha256()
        files = (path for path in folder.rglob("*") if not path.is_dir())
        for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in files):
            with path.open("rb") as stream:
                found = cls.of(stream)
            size += found.bytes
            digest.update(json.dumps([name, found.sha256]).encode())
        return cls(size, digest.hexdigest())

    def is_in(self, path: Path) -> bool:
        """Whether a file or folder is there and holds just this."""
        try:
            if path.is_dir():
                return Content.of_folder(path) == self
            if path.stat().st_size != self.bytes:
                return False
            with path.open("rb") as stream:
                return Content.of(stream) == self
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a job has made of an output and of its rejects, None where there were none."""

    job: str
    model: str
    data_sha256: str
    chunks: int
    scored: int
    rejected: int
    output: Content
    rejects: Content | None

    def write(self, path: Path, folder: Path) -> None:
        """Keep it, by way of a folder on the same disk."""
        with replacing(path, folder) as stream:
            stream.write(json_line(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what was kept; None where that is nothing."""
        try:
            kept: dict[str, Any] = json.loads(path.read_bytes())
            rejects = kept["rejects"]
            kept["output"] = Content(**kept["output"])
            kept["rejects"] = None if rejects is None else Content(**rejects)
            return cls(**kept)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def finished(self, job: str, output: Path, rejects: Path) -> FinishedJob | None:
        """Return what is finished, if this is the receipt of the job and the files are as then."""
        if self.job != job or not self.output.is_in(output):
            return None
        if rejects.exists() if self.rejects is None else not self.rejects.is_in(rejects):
            return None
        published = PublishedOutput(str(output), None if self.rejects is None else str(rejects))
        return FinishedJob(published, self.chunks, self.scored, self.rejected)
