"""Schemas in TOML files, and in the JSON of manifests."""

from codecs import BOM_UTF8
from dataclasses import dataclass
from math import inf
from pathlib import Path
from sys import float_info
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from adapters.formats.decoding import Decoder, as_base, read_as
from domain.data.feature import Feature, Kind
from domain.data.schema import Ratio, Schema, Target
from domain.errors import Misconfigured


def _bounded(value: object) -> object:
    if isinstance(value, int) and abs(value) > float_info.max:
        raise ValueError("is beyond the largest number")
    return value


_Bound: TypeAlias = Annotated[float | None, BeforeValidator(_bounded)]


@dataclass(frozen=True, slots=True)
class _TargetTable:
    name: str
    unit: str = ""
    description: str = ""
    range: tuple[_Bound, _Bound] = (None, None)

    def build(self) -> Target:
        return Target(self.name, self.unit, self.description, *_finite(*self.range))


def _finite(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    return None if low == -inf else low, None if high == inf else high


@dataclass(frozen=True, slots=True)
class _FeatureTable:
    name: str
    kind: Kind
    unit: str = ""
    range: tuple[_Bound, _Bound] = (None, None)
    nullable: bool = False
    categories: tuple[str, ...] = ()
    description: str = ""
    example: bool | int | float | str | None = None

    def build(self) -> Feature:
        low, high = _finite(*self.range)
        return Feature(
            name=self.name,
            kind=self.kind,
            unit=self.unit,
            low=low,
            high=high,
            nullable=self.nullable,
            categories=self.categories,
            description=self.description,
            example=self.example,
        )


@dataclass(frozen=True, slots=True)
class _RatioTable:
    name: str
    ratio: tuple[str, str]

    def build(self) -> Ratio:
        return Ratio(self.name, *self.ratio)


_Target: TypeAlias = Annotated[Target, read_as(_TargetTable, _TargetTable.build)]
_Feature: TypeAlias = Annotated[Feature, read_as(_FeatureTable, _FeatureTable.build)]
_Ratio: TypeAlias = Annotated[Ratio, read_as(_RatioTable, _RatioTable.build)]


@dataclass(frozen=True, slots=True)
class _SchemaTable(Schema):
    target: _Target
    features: tuple[_Feature, ...]
    ratios: Annotated[tuple[_Ratio, ...], Field(alias="derived")] = ()


SchemaTable: TypeAlias = Annotated[Schema, read_as(_SchemaTable, as_base(Schema))]

SCHEMA = Decoder[Schema](SchemaTable)


def read_schema(path: Path) -> Schema:
    """Return the schema of a TOML file.

    Raises:
        Misconfigured: the file cannot be read or describes no schema; names line or key.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"schema file {path}: {error.strerror or error}") from error
    if content.startswith(BOM_UTF8):
        raise Misconfigured(f"{path}: line 1 starts with a byte order mark; save it without one")
    try:
        return SCHEMA.toml(content.decode(), str(path))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Misconfigured(
            f"{path}: line {line} is not UTF-8: byte 0x{content[error.start]:02x}"
        ) from error
