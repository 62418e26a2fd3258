"""The manifest of a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from pydantic import Field

from adapters.formats.decoding import Decoder, as_base, read_as
from adapters.formats.schema_toml import SchemaTable
from domain.data.split import Split
from domain.errors import ArtefactRejected, Misconfigured
from domain.features.feature_set import FeatureSet
from domain.model.bundle import Bundle
from domain.model.manifest import READABLE, Manifest
from domain.training.specification import Estimator, Parameter, TrainingSpec


@dataclass(frozen=True, slots=True)
class _TrainingTable:
    estimator: Estimator
    parameters: Mapping[str, Parameter]
    holdout: float
    seed: int
    validation: float = 0.0
    features: FeatureSet | None = None

    def build(self) -> TrainingSpec:
        split = Split(self.holdout, self.seed, self.validation)
        return TrainingSpec(self.estimator, self.parameters, split, self.features)


Training: TypeAlias = Annotated[TrainingSpec, read_as(_TrainingTable, _TrainingTable.build)]


@dataclass(frozen=True, slots=True)
class _ManifestFile(Manifest):
    schema: SchemaTable
    training: Training
    parity: Annotated[float, Field(allow_inf_nan=False)]
    format: int = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.format not in READABLE:
            allowed = ", ".join(map(str, READABLE))
            raise Misconfigured(f"format {self.format} is not known; allowed: {allowed}")


_MANIFEST = Decoder[_ManifestFile](_ManifestFile)


def read_manifest(content: bytes) -> Manifest:
    """Return the manifest of `manifest.json`.

    Raises:
        ArtefactRejected: it is not a manifest of a known format; names the key.
    """
    try:
        decoded = _MANIFEST.json(content, Bundle.MANIFEST)
    except Misconfigured as error:
        raise ArtefactRejected(str(error)) from error
    return as_base(Manifest)(decoded)
