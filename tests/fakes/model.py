import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock

import numpy as np

from adapters.formats.manifest_file import read_manifest
from domain.canonical_json import from_json_value
from domain.data.feature import Vector
from domain.data.schema import Matrix, Schema, Target
from domain.errors import (
    ArtefactRejected,
    Misconfigured,
)
from domain.features.encoding import ENCODING, FeatureEncoding
from domain.model.bundle import GRAPH, Bundle, verified_manifest
from domain.model.manifest import Manifest
from domain.model.not_found import alias_moved, unknown_alias, unknown_model, unknown_version
from domain.model.reference import ModelRef, ModelVersion
from domain.scoring.explanation import FeatureContributions, shares


class MemoryStore:
    """A `ModelStore`. Safe to use from several threads."""

    def __init__(self) -> None:
        self._bundles: dict[tuple[str, str], Bundle] = {}
        self._versions: dict[str, list[ModelVersion]] = {}
        self._aliases: dict[str, dict[str, int]] = {}
        self._lock = Lock()

    def names(self) -> list[str]:
        return sorted(self._versions)

    def versions(self, name: str) -> list[ModelVersion]:
        with self._lock:
            return [self._with_aliases(version) for version in self._of(name)]

    def resolve(self, ref: ModelRef) -> ModelVersion:
        with self._lock:
            versions, number = self._of(ref.name), ref.number
            if ref.alias:
                aliases = self._aliases[ref.name]
                if ref.alias not in aliases:
                    raise unknown_alias(ref, aliases)
                number = aliases[ref.alias]
            for version in versions:
                if version.number == number:
                    return self._with_aliases(version)
            raise unknown_version(ref, (version.number for version in versions))

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        ModelRef(name)
        with self._lock:
            versions = self._versions.get(name, [])
            for version in versions:
                if version.bundle_id == bundle.id:
                    return self._with_aliases(version)
            version = ModelVersion(name, len(versions) + 1, bundle.id, created_at, details=details)
            self._bundles[name, bundle.id] = bundle
            self._versions[name] = [*versions, version]
            self._aliases.setdefault(name, {})
            return version

    def manifest(self, version: ModelVersion) -> Manifest:
        content = self.load(version).files[Bundle.MANIFEST]
        return verified_manifest(content, version.bundle_id, read_manifest)

    def load(self, version: ModelVersion) -> Bundle:
        registered = self.resolve(ModelRef(version.name, None, version.number))
        return self._bundles[version.name, registered.bundle_id]

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        self.resolve(ModelRef(version.name, None, version.number))
        with self._lock:
            versions = self._versions[version.name]
            kept = versions[version.number - 1]
            annotated = replace(kept, details={**kept.details, **details})
            versions[version.number - 1] = annotated
            return self._with_aliases(annotated)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        ModelRef(name, alias)
        target = self.resolve(ModelRef(name, None, to))
        with self._lock:
            actual = self._aliases[name].get(alias)
            if actual != expected:
                raise alias_moved(name, alias, actual, expected)
            self._aliases[name][alias] = target.number

    def _of(self, name: str) -> list[ModelVersion]:
        if name not in self._versions:
            raise unknown_model(name, self._versions)
        return self._versions[name]

    def _with_aliases(self, version: ModelVersion) -> ModelVersion:
        aliases = self._aliases[version.name].items()
        return replace(
            version, aliases=frozenset(a for a, number in aliases if number == version.number)
        )


class MemoryBundleCache:
    """A `BundleCache` of the `versions` kept last, and of the last of each reference."""

    def __init__(self, versions: int = 5) -> None:
        self._versions = versions
        self._bundles: dict[str, Bundle] = {}
        self._last: dict[ModelRef, ModelVersion] = {}
        self._lock = Lock()

    def get(self, bundle_id: str) -> Bundle | None:
        return self._bundles.get(bundle_id)

    def keep(self, ref: ModelRef, version: ModelVersion, bundle: Bundle) -> None:
        with self._lock:
            self._bundles.pop(bundle.id, None)
            self._bundles[bundle.id] = bundle
            self._last[ref] = version
            needed = {version.bundle_id for version in self._last.values()}
            for bundle_id in [*self._bundles][: -self._versions]:
                if bundle_id not in needed:
                    del self._bundles[bundle_id]

    def last_good(self, ref: ModelRef) -> ModelVersion | None:
        return self._last.get(ref)


@dataclass(frozen=True, slots=True)
class LinearPredictor:
    """A `Predictor`: intercept + Σ coefficient × column, added in order of the columns."""

    encoding: FeatureEncoding
    intercept: float
    coefficients: tuple[float, ...]
    target: Target

    def encode(self, matrix: Matrix) -> Matrix:
        return self.encoding.transform(matrix)

    def score(self, columns: Matrix) -> Vector:
        predictions = np.full(len(columns), self.intercept)
        for position, coefficient in enumerate(self.coefficients):
            predictions = predictions + coefficient * columns[:, position]
        return self.target.within_range(predictions)

    def predict(self, matrix: Matrix) -> Vector:
        return self.score(self.encode(matrix))


class MemoryRuntime:
    """A `Runtime` for the files of `MemoryLearner`."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> LinearPredictor:
        lacking = [name for name in (ENCODING, GRAPH) if name not in files]
        if lacking:
            raise ArtefactRejected(f"the bundle has no {lacking[0]}")
        try:
            encoding = FeatureEncoding.from_files(schema, files)
            model = json.loads(files[GRAPH])
            predictor = LinearPredictor(
                encoding,
                from_json_value(float, model["intercept"], GRAPH),
                from_json_value(tuple[float, ...], model["coefficients"], GRAPH),
                schema.target,
            )
        except (ValueError, LookupError, TypeError, RecursionError, Misconfigured) as error:
            raise ArtefactRejected(f"{GRAPH} cannot be read: {error}") from error
        if len(predictor.coefficients) != len(encoding.names):
            raise ArtefactRejected(f"{GRAPH}: there must be one coefficient for each column")
        return predictor


@dataclass(frozen=True, slots=True)
class CountingPredictor(LinearPredictor):
    """Counts the rows that it encodes in `counts`."""

    counts: list[int] = field(default_factory=list, compare=False)

    def encode(self, matrix: Matrix) -> Matrix:
        self.counts.append(len(matrix))
        return self.encoding.transform(matrix)


class CountingRuntime(MemoryRuntime):
    """A `Runtime` that counts the rows that its predictors encode."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    @property
    def encoded_rows(self) -> int:
        return sum(self.counts)

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> LinearPredictor:
        loaded = super().load(schema, files)
        return CountingPredictor(
            loaded.encoding, loaded.intercept, loaded.coefficients, schema.target, self.counts
        )


@dataclass(frozen=True, slots=True)
class MemoryExplainer:
    """An `Explainer` of a linear predictor; the reference is a row with all values missing."""

    predictor: LinearPredictor

    def explain(self, columns: Matrix) -> FeatureContributions:
        encoding = self.predictor.encoding
        reference = encoding.transform(np.full((1, len(encoding.schema.features)), np.nan))
        parts = ((columns - reference) * self.predictor.coefficients) @ shares(encoding)
        return FeatureContributions(float(self.predictor.score(reference)[0]), parts)


class MemoryExplainers:
    """`Explainers` for the files of `MemoryLearner`."""

    def load(self, encoding: FeatureEncoding, files: Mapping[str, bytes]) -> MemoryExplainer:
        return MemoryExplainer(MemoryRuntime().load(encoding.schema, files))
