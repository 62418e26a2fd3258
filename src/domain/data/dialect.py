"""How a text file is written: what separates its cells, and its encoding."""

import codecs
from dataclasses import dataclass

from domain.errors import Misconfigured

_NAMED = {"tab": "\t", "\\t": "\t"}
_NOT_DELIMITERS = '"\r\n.+-_ '


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written; what is None is as its first rows show, or UTF-8.

    `delimiter` is one character, or `tab`; `decimal` is the decimal point.

    Raises:
        Misconfigured: a value is not allowed.
    """

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            given = _NAMED.get(self.delimiter, self.delimiter)
            object.__setattr__(self, "delimiter", given)
            if (
                len(given) != 1
                or not given.isascii()
                or given.isalnum()
                or given in _NOT_DELIMITERS
            ):
                raise Misconfigured(
                    f"delimiter: {given!r} is not allowed; allowed: one character such as "
                    f"',', ';' or '|', or 'tab'"
                )
        if self.decimal not in (None, ".", ","):
            raise Misconfigured(f"decimal: {self.decimal!r} is not allowed; allowed: '.' or ','")
        if self.encoding is not None:
            self._check_encoding(self.encoding)

    def _check_encoding(self, name: str) -> None:
        try:
            is_text = isinstance(codecs.getincrementaldecoder(name)().decode(b""), str)
        except (LookupError, ValueError):
            is_text = False
        if not is_text:
            raise Misconfigured(
                f"encoding: {name!r} is not known; allowed: a name such as utf-8, utf-16, latin-1 "
                f"or cp1252"
            )
        codec = codecs.lookup(name).name
        object.__setattr__(self, "encoding", None if codec == "utf-8" else codec)


UNKNOWN = Dialect()
