"""The files of a chunk, kept until all chunks of a batch job are written."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.files.atomic_writes import json_line, replacing
from domain.scoring.batch_job import ChunkReceipt, Reject


@dataclass(frozen=True, slots=True)
class ChunkFiles:
    """Encoded rows, rejects and receipt of one chunk, which is complete if it has a receipt."""

    folder: Path
    index: int

    @property
    def rows(self) -> Path:
        """The encoded rows."""
        return self.folder / f"{self.index:06d}.encoded"

    @property
    def rejects(self) -> Path:
        """A line of JSON per reject; there is no file if there are none."""
        return self.folder / f"{self.index:06d}.rejects"

    @property
    def receipt(self) -> Path:
        """The receipt, with the sizes of the other files."""
        return self.folder / f"{self.index:06d}.json"

    def write(self, rows: bytes, rejects: Sequence[Reject], scored: int) -> ChunkReceipt:
        """Write the chunk and then its receipt; replace earlier ones.

        Only the chunk is synced to disk, not its receipt and not the names. A power cut may lose
        the last chunks: a receipt without a complete chunk does not count.
        """
        receipt = ChunkReceipt(self.index, scored, len(rejects))
        lines = b"".join(json_line(reject.to_mapping()) for reject in rejects)
        sizes = [len(rows), len(lines)]
        content = {"scored": receipt.scored, "rejected": receipt.rejected, "bytes": sizes}
        self.folder.mkdir(parents=True, exist_ok=True)
        self.receipt.unlink(missing_ok=True)
        self.rejects.unlink(missing_ok=True)
        if rejects:
            self._put(self.rejects, lines)
        self._put(self.rows, rows)
        self._put(self.receipt, json_line(content), sync=False)
        return receipt

    def _put(self, path: Path, content: bytes, *, sync: bool = True) -> None:
        with replacing(path, self.folder, sync_content=sync, sync_name=False) as stream:
            stream.write(content)

    def read_receipt(self) -> ChunkReceipt | None:
        """Return the receipt; None if it is missing or the chunk is incomplete."""
        try:
            content = json.loads(self.receipt.read_bytes())
            if content["bytes"] != [_size(self.rows), _size(self.rejects)]:
                return None
            return ChunkReceipt(self.index, content["scored"], content["rejected"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None


def chunks_in(folder: Path) -> list[ChunkFiles]:
    """Return the chunks that have a receipt."""
    return [ChunkFiles(folder, int(path.stem)) for path in folder.glob("[0-9]*.json")]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
