"""Load a model: resolve, fetch, verify, load, and check its predictions for the golden rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from application.model.sign_model import require_signed
from application.ports import ModelStore, Predictor, Runtime, Verifier
from application.uncertainty.intervals import Intervals, files_of_error_scale, load_intervals
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.errors import ArtefactRejected, InvalidData
from domain.model.applicability import ApplicabilityDomain
from domain.model.bundle import Bundle
from domain.model.golden_rows import GoldenRows
from domain.model.manifest import Manifest, ReadManifest
from domain.model.reference import ModelRef, ModelVersion
from domain.scoring.prediction import PredictionOptions
from domain.uncertainty.conformal import Bounds

GOLDEN = "golden.json"
PROFILE = "profile.json"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory that passed every check.

    `intervals` is None without an error-scale model, `applicability` without a profile.
    """

    version: ModelVersion
    manifest: Manifest
    predictor: Predictor
    intervals: Intervals | None = None
    applicability: ApplicabilityDomain | None = None

    def require(self, options: PredictionOptions) -> None:
        """Check that the model supports the options.

        Raises:
            InvalidData: it does not support one.
        """
        if options.interval is not None:
            self._known_intervals().quantiles.quantile(options.interval)
        if options.extrapolates:
            self._known_applicability()

    def bounds(self, matrix: Matrix, predictions: Vector, level: float) -> Bounds:
        """Return the interval of each row of `matrix`, shape (rows, features), at a level.

        Raises:
            InvalidData: the model has no intervals, or none of this level.
        """
        return self._known_intervals().bounds(matrix, predictions, level)

    def out_of_domain(self, matrix: Matrix) -> list[tuple[str, ...]]:
        """Return the features that extrapolate in each row of `matrix`, shape (rows, features).

        Raises:
            InvalidData: the model has no profile of its training rows.
        """
        return self._known_applicability().out_of_domain(matrix)

    def _known_intervals(self) -> Intervals:
        if self.intervals is None:
            raise InvalidData(
                f"interval: {self.version.label} was trained without intervals; "
                f"allowed: no interval, or a model with calibrated intervals"
            )
        return self.intervals

    def _known_applicability(self) -> ApplicabilityDomain:
        if self.applicability is None:
            raise InvalidData(f"extrapolates: {self.version.label} has no profile of its data")
        return self.applicability


@dataclass(frozen=True, slots=True)
class Opened:
    """The loaded content of a bundle."""

    manifest: Manifest
    predictor: Predictor
    intervals: Intervals | None
    applicability: ApplicabilityDomain | None


@dataclass(frozen=True)
class PortableModel:
    """A model that is sent to a worker as files; each copy verifies and loads them at first use."""

    version: ModelVersion
    bundle: Bundle
    runtime: Runtime
    read_manifest: ReadManifest

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model in this process.

        Raises:
            ArtefactRejected: the bundle failed a check.
        """
        try:
            opened = open_bundle(
                self.bundle, self.version.bundle_id, self.runtime, self.read_manifest
            )
        except ArtefactRejected as error:
            raise ArtefactRejected(f"{self.version.label}: {error}") from error
        return LoadedModel(
            self.version, opened.manifest, opened.predictor, opened.intervals, opened.applicability
        )

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), (self.version, self.bundle, self.runtime, self.read_manifest)


@dataclass(frozen=True)
class LoadModel:
    """Loads the current version of a reference; with a `verifier`, signed versions only."""

    store: ModelStore
    runtime: Runtime
    read_manifest: ReadManifest
    verifier: Verifier | None = None

    def __call__(self, ref: ModelRef) -> LoadedModel:
        """Return a model that passed every check.

        Raises:
            NotFound: there is no such model, version or alias.
            Unavailable: the store cannot be reached.
            ArtefactRejected: the bundle failed a check.
        """
        return self.version(self.store.resolve(ref))

    def version(self, version: ModelVersion) -> LoadedModel:
        """Return a resolved version."""
        return self.opened(version, self.store.load(version))

    def opened(self, version: ModelVersion, bundle: Bundle) -> LoadedModel:
        """Return a version whose bundle was fetched before.

        Raises:
            ArtefactRejected: the bundle failed a check.
        """
        return self._trusted(version, bundle).loaded

    def portable(self, version: ModelVersion) -> PortableModel:
        """Return a resolved version, to be loaded here or in a worker.

        Raises:
            Unavailable: the store cannot be reached.
            ArtefactRejected: it has no valid signature of a trusted key.
        """
        return self._trusted(version, self.store.load(version))

    def _trusted(self, version: ModelVersion, bundle: Bundle) -> PortableModel:
        """Check the signature of a version before its files are parsed; return it."""
        require_signed(version, self.verifier)
        return PortableModel(version, bundle, self.runtime, self.read_manifest)


def open_bundle(
    bundle: Bundle, bundle_id: str, runtime: Runtime, read_manifest: ReadManifest
) -> Opened:
    """Verify a bundle, load it, and check its predictions for the golden rows.

    Raises:
        ArtefactRejected: it failed a check.
    """
    manifest = bundle.verified(bundle_id, read_manifest)
    width = len(manifest.schema.features)
    predictor = runtime.load(manifest.schema, bundle.files)
    _check_golden_rows(bundle.files, width, predictor)
    intervals = load_intervals(runtime, manifest.schema, bundle.files)
    if intervals is not None:
        _check_error_scale(files_of_error_scale(bundle.files), width + 1, intervals.error_scale)
    return Opened(
        manifest, predictor, intervals, _read_applicability(bundle.files, manifest.schema)
    )


def _read_applicability(files: Mapping[str, bytes], schema: Schema) -> ApplicabilityDomain | None:
    if PROFILE not in files:
        return None
    try:
        return ApplicabilityDomain.of(schema, json.loads(files[PROFILE]))
    except (ValueError, RecursionError) as error:
        raise ArtefactRejected(f"{PROFILE} is not JSON: {error}") from error


def _check_error_scale(files: Mapping[str, bytes], width: int, error_scale: Predictor) -> None:
    try:
        _check_golden_rows(files, width, error_scale)
    except ArtefactRejected as error:
        raise ArtefactRejected(f"the error-scale model: {error}") from error


def _check_golden_rows(files: Mapping[str, bytes], width: int, predictor: Predictor) -> None:
    if GOLDEN not in files:
        raise ArtefactRejected(f"the bundle has no {GOLDEN}")
    golden = GoldenRows.from_bytes(files[GOLDEN])
    if golden.inputs.shape[1] != width:
        raise ArtefactRejected(
            f"{GOLDEN} has rows of {golden.inputs.shape[1]} features where the schema has {width}"
        )
    golden.check(predictor.predict(golden.inputs))
