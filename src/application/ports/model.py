"""Ports of models: stores, the bundle cache, runtimes, explainers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema
from domain.features.encoding import FeatureEncoding
from domain.model.bundle import Bundle
from domain.model.manifest import Manifest
from domain.model.reference import ModelRef, ModelVersion
from domain.scoring.explanation import FeatureContributions


class Predictor(Protocol):
    """A loaded model. Safe to call from several threads."""

    def predict(self, matrix: Matrix) -> Vector:
        """Return one prediction per row of `matrix`, shape (rows, features).

        The prediction of a row does not depend on the other rows, to the last bit.
        """
        ...


@runtime_checkable
class EncodingPredictor(Predictor, Protocol):
    """A predictor whose two steps can be called one by one: `predict` is `score` after `encode`."""

    @property
    def encoding(self) -> FeatureEncoding:
        """The encoding that `encode` applies."""
        ...

    def encode(self, matrix: Matrix) -> Matrix:
        """Return the columns of rows, shape (rows, features); an `Explainer` takes them, too."""
        ...

    def score(self, columns: Matrix) -> Vector:
        """Return one prediction per row of columns."""
        ...


class Runtime(Protocol):
    """Turns the files of a bundle into a predictor. Picklable: a worker loads its own."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Predictor:
        """Load the serving form.

        Raises:
            ArtefactRejected: the files are not a model that can be run.
        """
        ...


class Explainer(Protocol):
    """Computes the contributions of features to predictions. Safe to call from several threads."""

    def explain(self, columns: Matrix) -> FeatureContributions:
        """Return base and contributions for the columns of `EncodingPredictor.encode`.

        They add up to the prediction. A row's do not depend on the other rows of the call.
        """
        ...


class Explainers(Protocol):
    """Turns the files of a bundle into an explainer."""

    def load(self, encoding: FeatureEncoding, files: Mapping[str, bytes]) -> Explainer:
        """Load the estimator in the bundle; `encoding` is that of the loaded model.

        Raises:
            ArtefactRejected: the files are not an estimator.
            NotSupported: there is no explainer for this kind of estimator.
        """
        ...


class ModelStore(Protocol):
    """Keeps the versions of models, and the aliases that point to them.

    Raises `NotFound` for an unknown model, version or alias, `Unavailable` when the store
    cannot be reached, `ArtefactRejected` for a bundle that is incomplete.
    """

    def names(self) -> Sequence[str]:
        """Return the models that have versions, sorted."""
        ...

    def versions(self, name: str) -> Sequence[ModelVersion]:
        """Return the versions of a model, oldest first."""
        ...

    def resolve(self, ref: ModelRef) -> ModelVersion:
        """Return the current version of a reference. Cheap enough to be polled."""
        ...

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        """Register a bundle as the next version, completely or not at all.

        A bundle that is already registered keeps its version, which is returned.
        """
        ...

    def manifest(self, version: ModelVersion) -> Manifest:
        """Return the manifest of a version, verified by the bundle id; no other file is read."""
        ...

    def load(self, version: ModelVersion) -> Bundle:
        """Return the files of a version, not yet verified."""
        ...

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        """Add or replace details of a version; return the version with them."""
        ...

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        """Set an alias to a version if it points to `expected` (None: to no version).

        Raises:
            Conflict: the alias points to another version.
        """
        ...


class BundleCache(Protocol):
    """Keeps the last served bundles, so that a server can start while the store is down.

    Raises `Unavailable` if it cannot be read or written, `ArtefactRejected` if its files were
    changed.
    """

    def get(self, bundle_id: str) -> Bundle | None:
        """Return a bundle, not yet verified; None if it is not in the cache."""
        ...

    def keep(self, ref: ModelRef, version: ModelVersion, bundle: Bundle) -> None:
        """Keep a version that passed every check as the last good one of a reference.

        Old bundles that are not the last good one of a reference are removed.
        """
        ...

    def last_good(self, ref: ModelRef) -> ModelVersion | None:
        """Return the last good version of a reference; None if there is none."""
        ...
