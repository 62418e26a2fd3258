"""Which data it was, how it is cut into chunks, and how it is split for training."""

import re
from dataclasses import dataclass
from typing import Any

from domain.canonical_json import json_value
from domain.errors import InvalidData

REJECTS = ".rejects.jsonl"

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_data(name: str) -> bool:
    """Whether a file of a folder, by its name from there on, is one of its table.

    Hidden files, those that begin with `_`, and rejects that a job has left are none.
    """
    hidden = any(part.startswith((".", "_")) for part in name.split("/"))
    return not hidden and not name.endswith(REJECTS)


@dataclass(frozen=True, slots=True)
class DatasetIdentity:
    """What a manifest records of a dataset: the same wherever the same data was read."""

    sha256: str
    md5: str | None
    rows: int
    simulated: bool


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """The exact content of a dataset.

    `sha256` is of the file's bytes, or of the rows where there is no file. `md5` is the digest by
    which DVC knows the file, where there is one. `uri` says where it was read (never with a
    password) and is not part of the identity. `simulated` data must not be mistaken for real.
    """

    uri: str
    sha256: str
    rows: int
    md5: str | None = None
    simulated: bool = False

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise InvalidData(f"{self.uri}: not a SHA-256 digest: {self.sha256!r}")

    @property
    def identity(self) -> DatasetIdentity:
        """The version without its address."""
        return DatasetIdentity(self.sha256, self.md5, self.rows, self.simulated)

    def to_mapping(self) -> dict[str, Any]:
        """Return address and identity as JSON values."""
        return {"uri": self.uri, **json_value(self.identity)}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows `start` to `start + rows` of a source; `locator` tells the source where they are.

    Small and picklable: a worker that has the source and a chunk can read its own rows. Of a
    source of several files, `file` is the one that the rows are in, and `before_file` the rows
    that come before that.
    """

    index: int
    start: int
    rows: int
    locator: tuple[int, ...] = ()
    file: str = ""
    before_file: int = 0
