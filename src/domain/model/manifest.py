"""A trained model: how it is named, what is recorded of it, and the bundle that holds it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from domain.canonical_json import json_bytes
from domain.data.mapping_reader import Reader
from domain.data.schema import Schema
from domain.data.schema_mapping import schema_from_mapping, schema_to_mapping
from domain.data.split import Split
from domain.errors import ArtefactRejected, Misconfigured

# What is written, and what can be read: in 1 there was no `uncertainty`.
_FORMAT = 2
_READABLE = (1, 2)


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
