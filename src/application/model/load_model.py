"""Getting a model ready to answer: resolve, fetch, verify, load, and ask it its golden rows."""

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
    """A model in memory that has proven to be whole.

    `intervals` is None where it was trained without, `reach` where its bundle has no profile.
    """

    version: ModelVersion
    manifest: Manifest
    predictor: Predictor
    intervals: Intervals | None = None
    reach: ApplicabilityDomain | None = None

    def require(self, extras: PredictionOptions) -> None:
        """Check that the model can answer what is asked for beside predictions.

        Raises:
            InvalidData: it cannot; says why.
        """
        if extras.interval is not None:
            self._known_intervals().quantiles.quantile(extras.interval)
        if extras.extrapolates:
            self._known_reach()

    def bounds(self, matrix: Matrix, predictions: Vector, level: float) -> Bounds:
        """Return the interval of each row of `matrix`, shape (rows, features), at a level.

        Raises:
            InvalidData: this level cannot be given, or none.
        """
        return self._known_intervals().bounds(matrix, predictions, level)

    def beyond(self, matrix: Matrix) -> list[tuple[str, ...]]:
        """Return the features by which each row of `matrix` lies beyond the training rows.

        Raises:
            InvalidData: it is not known how far these reached.
        """
        return self._known_reach().beyond(matrix)

    def _known_intervals(self) -> Intervals:
        if self.intervals is None:
            raise InvalidData(
                f"interval: {self.version.label} has none to give, it was trained without; "
                f"allowed: no interval, or a model that modelport train has calibrated"
            )
        return self.intervals

    def _known_reach(self) -> ApplicabilityDomain:
        if self.reach is None:
            raise InvalidData(f"extrapolates: {self.version.label} has no profile of its data")
        return self.reach


@dataclass(frozen=True, slots=True)
class Opened:
    """What a bundle holds."""

    manifest: Manifest
    predictor: Predictor
    intervals: Intervals | None
    reach: ApplicabilityDomain | None


@dataclass(frozen=True)
class PortableModel:
    """A model that can be sent to a worker as its files, and is loaded where it is asked for.

    A copy verifies and loads them once, at the first use; it needs no model store for that.
    """

    version: ModelVersion
    bundle: Bundle
    runtime: Runtime
    read_manifest: ReadManifest

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model in this process.

        Raises:
            ArtefactRejected: the bundle failed a check; says which.
        """
        try:
            opened = open_bundle(
                self.bundle, self.version.bundle_id, self.runtime, self.read_manifest
            )
        except ArtefactRejected as error:
            raise ArtefactRejected(f"{self.version.label}: {error}") from error
        return LoadedModel(
            self.version, opened.manifest, opened.predictor, opened.intervals, opened.reach
        )

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), (self.version, self.bundle, self.runtime, self.read_manifest)


@dataclass(frozen=True)
class LoadModel:
    """Loads the version that a reference means now; with a `verifier`, signed ones only."""

    store: ModelStore
    runtime: Runtime
    read_manifest: ReadManifest
    verifier: Verifier | None = None

    def __call__(self, ref: ModelRef) -> LoadedModel:
        """Return a model that passed every check.

        Raises:
            NotFound: there is no such model, version or alias.
            Unavailable: the store cannot be reached.
            ArtefactRejected: the bundle failed a check; says which.
        """
        return self.version(self.store.resolve(ref))

    def version(self, version: ModelVersion) -> LoadedModel:
        """Return a version that was resolved before."""
        return self.opened(version, self.store.load(version))

    def opened(self, version: ModelVersion, bundle: Bundle) -> LoadedModel:
        """Return a version whose bundle is at hand.

        Raises:
            ArtefactRejected: the bundle failed a check; says which.
        """
        return self._trusted(version, bundle).loaded

    def portable(self, version: ModelVersion) -> PortableModel:
        """Return a resolved version, to be loaded here or in a worker.

        Raises:
            Unavailable: the store cannot be reached.
            ArtefactRejected: it is not signed as it should be.
        """
        return self._trusted(version, self.store.load(version))

    def _trusted(self, version: ModelVersion, bundle: Bundle) -> PortableModel:
        """Return a version that is signed, of which nothing but the signature was read yet."""
        require_signed(version, self.verifier)
        return PortableModel(version, bundle, self.runtime, self.read_manifest)


def open_bundle(
    bundle: Bundle, bundle_id: str, runtime: Runtime, read_manifest: ReadManifest
) -> Opened:
    """Verify a bundle, load it, and ask it its golden rows.

    Raises:
        ArtefactRejected: it failed a check; says which.
    """
    manifest = bundle.verified(bundle_id, read_manifest)
    width = len(manifest.schema.features)
    predictor = runtime.load(manifest.schema, bundle.files)
    _check_golden_rows(bundle.files, width, predictor)
    intervals = load_intervals(runtime, manifest.schema, bundle.files)
    if intervals is not None:
        _check_error_scale(files_of_error_scale(bundle.files), width + 1, intervals.error_scale)
    return Opened(manifest, predictor, intervals, _read_reach(bundle.files, manifest.schema))


def _read_reach(files: Mapping[str, bytes], schema: Schema) -> ApplicabilityDomain | None:
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
