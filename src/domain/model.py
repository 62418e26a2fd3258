"""A trained model: how it is named, what is recorded of it, and the bundle that holds it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Self

from domain.dataset import Split
from domain.errors import ArtefactRejected, Misconfigured
from domain.mapping import Reader
from domain.schema import NAME, Schema
from domain.schema_file import schema_from_mapping, schema_to_mapping

CHAMPION = "champion"
PREVIOUS = "previous"

# The serving form of a model in its bundle: how rows become columns, and what is made of them: an
# ONNX graph and, for ensembles that `domain.trees` can hold, the same trees as plain arrays.
ENCODING = "features.json"
NEIGHBOURS = "neighbours.npy"
NUMERIC = "model.onnx"
TREES = "model.safetensors"

# What is written, and what can be read: in 1 there was no `uncertainty`.
_FORMAT = 2
_READABLE = (1, 2)
_REFERENCE = re.compile(
    rf"(?P<name>{NAME.pattern})(@(?P<alias>{NAME.pattern})|/(?P<number>[1-9][0-9]{{0,17}}))?"
)


@dataclass(frozen=True, slots=True)
class ModelRef:
    """`housing` (its champion), `housing@ALIAS` or `housing/VERSION`: an alias or a number."""

    name: str
    alias: str | None = CHAMPION
    number: int | None = None

    def __post_init__(self) -> None:
        named = [part for part in (self.name, self.alias) if part is not None]
        both_or_neither = (self.alias is None) == (self.number is None)
        too_low = self.number is not None and self.number < 1
        if both_or_neither or too_low or not all(map(NAME.fullmatch, named)):
            raise _bad_reference(str(self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference.

        Raises:
            Misconfigured: it is none of the three forms.
        """
        form = _REFERENCE.fullmatch(text)
        if form is None:
            raise _bad_reference(text)
        if form["number"]:
            return cls(form["name"], None, int(form["number"]))
        return cls(form["name"], form["alias"] or CHAMPION)

    def __str__(self) -> str:
        return f"{self.name}/{self.number}" if self.alias is None else f"{self.name}@{self.alias}"


def _bad_reference(text: str) -> Misconfigured:
    return Misconfigured(
        f"{text!r} is not a model reference; "
        f"allowed: NAME (its champion), NAME@ALIAS or NAME/VERSION, such as housing/7"
    )


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A bundle's place in a model store. `details` are texts to show: estimator, RMSE, origin."""

    name: str
    number: int
    bundle_id: str
    created_at: datetime
    aliases: frozenset[str] = frozenset()
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", MappingProxyType(dict(self.details)))

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        fixed = (self.name, self.number, self.bundle_id, self.created_at, self.aliases)
        return type(self), (*fixed, dict(self.details))

    @property
    def label(self) -> str:
        """The version as a reference: `housing/7`."""
        return f"{self.name}/{self.number}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that determines a model and what was measured of it.

    It holds nothing that changes from one run to the next (no times, no paths, no version
    number), so that training again on the same data with the same specification gives the same
    bytes. `data` is `DatasetVersion.identity()`, `training` is `TrainingSpec.to_mapping()`,
    `parity` the largest relative deviation of the serving form from the trained estimator,
    `uncertainty` what `coverage.assess` found of its intervals, None where it has none;
    `evaluation` what `assessment.assess_errors` found, None in manifests made before there was it;
    `code` and `libraries` say what made it, `files` gives the SHA-256 of every other file.
    """

    name: str
    schema: Schema
    training: Mapping[str, Any]
    metrics: Mapping[str, float]
    data: Mapping[str, Any]
    parity: float
    code: Mapping[str, Any]
    libraries: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    uncertainty: Mapping[str, Any] | None = None
    evaluation: Mapping[str, Any] | None = None

    def to_bytes(self) -> bytes:
        """Return the one way to write this manifest."""
        mapping = {
            "format": _FORMAT,
            "name": self.name,
            "schema": schema_to_mapping(self.schema),
            "training": dict(self.training),
            "metrics": dict(self.metrics),
            "data": dict(self.data),
            "parity": self.parity,
            **({} if self.uncertainty is None else {"uncertainty": dict(self.uncertainty)}),
            **({} if self.evaluation is None else {"evaluation": dict(self.evaluation)}),
            "code": dict(self.code),
            "libraries": dict(sorted(self.libraries.items())),
            "files": dict(sorted(self.files.items())),
        }
        return json_bytes(mapping)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read a manifest.

        Raises:
            ArtefactRejected: it is not a manifest of a known format.
        """
        try:
            return cls._read(Reader(json.loads(content), "manifest.json"))
        except (ValueError, RecursionError) as error:
            raise ArtefactRejected(f"manifest.json is not JSON: {error}") from error
        except Misconfigured as error:
            raise ArtefactRejected(str(error)) from error

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        if (found := reader.whole("format")) not in _READABLE:
            allowed = ", ".join(map(str, _READABLE))
            raise Misconfigured(f"manifest.json: format {found} is not known; allowed: {allowed}")
        manifest = cls(
            name=reader.text("name"),
            schema=schema_from_mapping(reader.mapping_of("schema"), "manifest.json"),
            training=reader.mapping_of("training"),
            metrics=reader.mapping_of("metrics"),
            data=reader.mapping_of("data"),
            parity=reader.number("parity"),
            code=reader.mapping_of("code"),
            libraries=reader.mapping_of("libraries"),
            files=reader.mapping_of("files"),
            uncertainty=reader.mapping_of("uncertainty") if reader.has("uncertainty") else None,
            evaluation=reader.mapping_of("evaluation") if reader.has("evaluation") else None,
        )
        reader.finish()
        return manifest

    @property
    def split(self) -> Split:
        """How the training data was split: which of its rows the model has not seen."""
        kept = self.training
        return Split(kept["holdout"], kept["seed"], kept.get("validation", 0.0))

    def details(self) -> dict[str, str]:
        """Return the facts by which people tell versions apart, as texts."""
        return {
            "estimator": str(self.training["estimator"]),
            "rmse": f"{self.metrics['rmse']:.6f}",
            "r2": f"{self.metrics['r2']:.6f}",
            "data.sha256": str(self.data["sha256"]),
            "data.md5": str(self.data["md5"] or ""),
            "data.simulated": str(self.data["simulated"]).lower(),
            "code.revision": str(self.code["revision"]),
        }


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model version as files: `manifest.json` and what it vouches for. Nothing executable."""

    MANIFEST = "manifest.json"

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, bytes]]]:
        return type(self), (dict(self.files),)

    @classmethod
    def seal(cls, manifest: Manifest, files: Mapping[str, bytes]) -> Self:
        """Put files under a manifest that names the SHA-256 of each."""
        digests = {name: sha256(content).hexdigest() for name, content in files.items()}
        return cls({cls.MANIFEST: replace(manifest, files=digests).to_bytes(), **files})

    @property
    def id(self) -> str:
        """The SHA-256 of the manifest, and with it of everything."""
        return sha256(self.files.get(self.MANIFEST, b"")).hexdigest()

    def verified(self, expected_id: str) -> Manifest:
        """Check every checksum, then read the manifest: no byte is parsed before it is verified.

        Raises:
            ArtefactRejected: a file is missing, was changed or does not belong there.
        """
        if self.MANIFEST not in self.files:
            raise ArtefactRejected("the bundle has no manifest.json")
        if self.id != expected_id:
            raise ArtefactRejected(
                f"manifest.json is not the one that was registered: "
                f"its SHA-256 is {self.id[:12]}…, expected {expected_id[:12]}…"
            )
        manifest = Manifest.from_bytes(self.files[self.MANIFEST])
        found = {*self.files} - {self.MANIFEST}
        if found != {*manifest.files}:
            odd = ", ".join(sorted(found ^ {*manifest.files}))
            raise ArtefactRejected(f"the bundle is missing files or has too many: {odd}")
        for name, digest in manifest.files.items():
            if sha256(self.files[name]).hexdigest() != digest:
                raise ArtefactRejected(f"{name} was changed: its SHA-256 is not the manifest's")
        return manifest


def json_bytes(value: object) -> bytes:
    """Return readable JSON, ending in a newline, always the same bytes for the same value."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
