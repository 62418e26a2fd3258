"""Entries of the ledger in lines of JSON."""

from adapters.formats.decoding import Decoder
from domain.promotion.ledger import LedgerEntry

_ENTRY = Decoder[LedgerEntry](LedgerEntry)


def decode_entry(line: bytes, where: str) -> LedgerEntry:
    """Return the entry that `LedgerEntry.to_line` wrote; `where` names the line in messages.

    Raises:
        Misconfigured: the line is not an entry; names the key.
    """
    return _ENTRY.json(line, where)
