"""The identity of a dataset, and its chunks."""

import re
from dataclasses import dataclass
from typing import Any

from domain.canonical_json import json_value
from domain.errors import InvalidData

REJECTS = ".rejects.jsonl"

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_data(name: str) -> bool:
    """Whether the file at a path in a folder belongs to the table of the folder.

    Hidden files, files that begin with `_` and rejects files do not.
    """
    hidden = any(part.startswith((".", "_")) for part in name.split("/"))
    return not hidden and not name.endswith(REJECTS)


@dataclass(frozen=True, slots=True)
class DatasetIdentity:
    """What a manifest records of a dataset; it does not depend on the address."""

    sha256: str
    md5: str | None
    rows: int
    simulated: bool


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """The exact content of a dataset.

    `sha256` is of the bytes of the file, or of the rows if there is no file. `md5` is the digest of
    the file in DVC. `uri` is the address, without a password; it is not part of the identity.
    `simulated` is true for simulated data.
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
    """Rows `start` to `start + rows` of a source; only the source reads `locator`.

    Small and picklable: a worker that has the source and a chunk can read the rows. If the source
    has several files, `file` has the rows, and the files before it have `before_file` rows.
    """

    index: int
    start: int
    rows: int
    locator: tuple[int, ...] = ()
    file: str = ""
    before_file: int = 0
