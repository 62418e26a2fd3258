"""Where the chunks of a batch job lie until all of them are there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.files.atomic_writes import json_line, replacing
from domain.scoring.batch_job import ChunkReceipt, Reject


@dataclass(frozen=True, slots=True)
class Part:
    """One chunk: the bytes of its rows and rejects. It counts once its receipt is there."""

    folder: Path
    index: int

    @property
    def rows(self) -> Path:
        """The scored rows, in the format of the part."""
        return self.folder / f"{self.index:06d}.rows"

    @property
    def rejects(self) -> Path:
        """A line of JSON for each reject; not there where there are none."""
        return self.folder / f"{self.index:06d}.rejects"

    @property
    def receipt(self) -> Path:
        """What was written, and how long the files must be."""
        return self.folder / f"{self.index:06d}.json"

    def write(self, rows: bytes, rejects: Sequence[Reject], scored: int) -> ChunkReceipt:
        """Write the chunk and then its receipt, in place of what was written before.

        The disk is waited for once, before the receipt. A power cut may take the last chunks: a
        receipt without its chunk, or of which half is there, counts for nothing.
        """
        receipt = ChunkReceipt(self.index, scored, len(rejects))
        lines = b"".join(json_line(reject.to_mapping()) for reject in rejects)
        kept = {
            "scored": receipt.scored,
            "rejected": receipt.rejected,
            "bytes": [len(rows), len(lines)],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self.receipt.unlink(missing_ok=True)
        self.rejects.unlink(missing_ok=True)
        if rejects:
            self._put(self.rejects, lines)
        self._put(self.rows, rows)
        self._put(self.receipt, json_line(kept), sync=False)
        return receipt

    def _put(self, path: Path, content: bytes, *, sync: bool = True) -> None:
        with replacing(path, self.folder, sync_content=sync, sync_name=False) as stream:
            stream.write(content)

    def read_receipt(self) -> ChunkReceipt | None:
        """Return the receipt; None where it is not there, or not all of the chunk is."""
        try:
            kept = json.loads(self.receipt.read_bytes())
            whole = kept["bytes"] == [_size(self.rows), _size(self.rejects)]
            return ChunkReceipt(self.index, kept["scored"], kept["rejected"]) if whole else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None


def parts_in(folder: Path) -> list[Part]:
    """Return the chunks that have a receipt."""
    return [Part(folder, int(path.stem)) for path in folder.glob("[0-9]*.json")]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
