"""The manifest: what determines a model and what was measured of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from domain.canonical_json import json_bytes
from domain.data.dataset import DatasetIdentity
from domain.data.schema import Schema
from domain.data.split import Split
from domain.evaluation.assessment import Evaluation
from domain.evaluation.metrics import Metrics
from domain.training.specification import TrainingSpec
from domain.uncertainty.coverage import Uncertainty

# The format that is written, and those that are read: format 1 had no `uncertainty`.
FORMAT = 2
READABLE = (1, 2)


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """The release of modelport, the git revision, and whether the code differs from it.

    `changed` is None where that is not known.
    """

    modelport: str = ""
    revision: str = "unknown"
    changed: bool | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that determines a model and what was measured of it.

    It holds nothing that changes from one run to the next (no times, no paths, no version
    number), so that training again on the same data with the same specification gives the same
    bytes. `training` has all hyper-parameters of the fitted estimator; `parity` is the largest
    relative deviation of the serving form from the estimator; `code` and `libraries` are the
    versions that made the model; `files` has the SHA-256 of every other file of the bundle.
    `uncertainty` is None for a model without intervals, `evaluation` for manifests older than that
    field.
    """

    name: str
    schema: Schema
    training: TrainingSpec
    metrics: Metrics
    data: DatasetIdentity
    parity: float
    code: CodeVersion
    libraries: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    uncertainty: Uncertainty | None = None
    evaluation: Evaluation | None = None

    def to_bytes(self) -> bytes:
        """Return the manifest as JSON, always the same bytes."""
        measured = {"uncertainty": self.uncertainty, "evaluation": self.evaluation}
        mapping = {
            "format": FORMAT,
            "name": self.name,
            "schema": self.schema.to_mapping(),
            "training": self.training.to_mapping(),
            "metrics": self.metrics,
            "data": self.data,
            "parity": self.parity,
            **{name: value for name, value in measured.items() if value is not None},
            "code": self.code,
            "libraries": dict(sorted(self.libraries.items())),
            "files": dict(sorted(self.files.items())),
        }
        return json_bytes(mapping)

    @property
    def split(self) -> Split:
        """How the dataset was split into training rows and hold-out."""
        return self.training.split

    def details(self) -> dict[str, str]:
        """Return texts that describe the version: estimator, metrics, origin."""
        return {
            "estimator": self.training.estimator.value,
            "rmse": f"{self.metrics.rmse:.6f}",
            "r2": f"{self.metrics.r2:.6f}",
            "data.sha256": self.data.sha256,
            "data.md5": self.data.md5 or "",
            "data.simulated": str(self.data.simulated).lower(),
            "code.revision": self.code.revision,
        }


# Decodes the bytes of `manifest.json`; raises `ArtefactRejected` for what is not a manifest.
ReadManifest: TypeAlias = Callable[[bytes], Manifest]
