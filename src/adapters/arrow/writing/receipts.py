"""The receipt of an output, a hidden file next to it: proof that a job has written it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Self

from adapters.files.atomic_writes import json_line, replacing
from adapters.formats.decoding import Decoder
from domain.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class FileContent:
    """Size and digest of a file or a folder."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, stream: BufferedReader | BufferedRandom) -> Self:
        """Return the content of an open file, from its beginning."""
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(stream.tell(), digest)

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        """Return the content of a folder: the relative paths of its files and their contents."""
        size, digest = 0, hashlib.sha256()
        files = (path for path in folder.rglob("*") if not path.is_dir())
        for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in files):
            with path.open("rb") as stream:
                found = cls.of(stream)
            size += found.bytes
            digest.update(json.dumps([name, found.sha256]).encode())
        return cls(size, digest.hexdigest())

    def is_at(self, path: Path) -> bool:
        """Whether a file or folder exists and has exactly this content."""
        try:
            if path.is_dir():
                return FileContent.of_folder(path) == self
            if path.stat().st_size != self.bytes:
                return False
            with path.open("rb") as stream:
                return FileContent.of(stream) == self
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class OutputReceipt:
    """What a job has published. `rejects` is None if no row was rejected."""

    job: str
    model: str
    data_sha256: str
    chunks: int
    scored: int
    rejected: int
    output: FileContent
    rejects: FileContent | None

    def write(self, path: Path, temporary: Path) -> None:
        """Replace the file atomically; `temporary` is a folder on the same disk."""
        with replacing(path, temporary) as stream:
            stream.write(json_line(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the receipt in a file; None if the file does not exist or is not a receipt."""
        try:
            return Decoder[Self](cls).json(path.read_bytes(), str(path))
        except (OSError, Misconfigured):
            return None

    def is_of(self, job: str, output: Path, rejects: Path) -> bool:
        """Whether this is the receipt of the job, and its files are unchanged."""
        if self.job != job or not self.output.is_at(output):
            return False
        return not rejects.exists() if self.rejects is None else self.rejects.is_at(rejects)
