"""Reading a schema file."""

import tomllib
from codecs import BOM_UTF8
from pathlib import Path

from domain.data.schema import Schema
from domain.data.schema_mapping import schema_from_mapping
from domain.errors import Misconfigured


def read_schema(path: Path) -> Schema:
    """Return the schema that a TOML file describes.

    Raises:
        Misconfigured: the file cannot be read or describes no schema; says where.
    """
    text = _text(path)
    try:
        mapping = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Misconfigured(f"{path}: not TOML: {error}") from error
    return schema_from_mapping(mapping, str(path))


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"schema file {path}: {error.strerror or error}") from error
    if content.startswith(BOM_UTF8):
        raise Misconfigured(f"{path}: line 1 starts with a byte order mark; save it without one")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Misconfigured(
            f"{path}: line {line} is not UTF-8: byte 0x{content[error.start]:02x}"
        ) from error
