"""A ledger in a file: one line of JSON per decision."""

from pathlib import Path

from adapters.files.atomic_writes import append_line, os_errors_as_unavailable
from adapters.files.locks import locked
from adapters.formats.decoding import Decoder
from domain.errors import Misconfigured, UnreadableData
from domain.promotion.ledger import LedgerEntry, without_ended

LEDGER_ENTRY = Decoder[LedgerEntry](LedgerEntry)


class FileLedger:
    """A `Ledger` that threads and processes of one machine may share."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(".ledger.lock")

    def append(self, entry: LedgerEntry) -> None:
        line = entry.to_line()
        with os_errors_as_unavailable(self._path), locked(self._lock):
            append_line(self._path, line)

    def entries(self, model: str) -> list[LedgerEntry]:
        with os_errors_as_unavailable(self._path):
            content = self._path.read_bytes() if self._path.exists() else b""
        # An incomplete last line was left by a process that was killed.
        lines = content.split(b"\n")[:-1]
        found = [self._read(number, line) for number, line in enumerate(lines, 1)]
        return without_ended([entry for entry in found if entry.model == model])

    def _read(self, number: int, line: bytes) -> LedgerEntry:
        try:
            return LEDGER_ENTRY.json(line, f"{self._path}, line {number}")
        except Misconfigured as error:
            raise UnreadableData(str(error)) from error
