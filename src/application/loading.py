"""Getting a model ready to answer: resolve, fetch, verify, load, and ask it its golden rows."""

from dataclasses import dataclass

from application.ports import ModelStore, Predictor, Runtime
from domain.errors import ArtefactRejected
from domain.golden import GoldenRows
from domain.model import Bundle, Manifest, ModelRef, ModelVersion

GOLDEN = "golden.json"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory that has proven to be whole."""

    version: ModelVersion
    manifest: Manifest
    predictor: Predictor


@dataclass(frozen=True)
class LoadModel:
    """Loads the version that a reference means now."""

    store: ModelStore
    runtime: Runtime

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
        bundle = self.store.load(version)
        try:
            manifest = bundle.verified(version.bundle_id)
            predictor = self.runtime.load(manifest.schema, bundle.files)
            _ask_golden_rows(bundle, predictor)
        except ArtefactRejected as error:
            raise ArtefactRejected(f"{version.label}: {error}") from error
        return LoadedModel(version, manifest, predictor)


def _ask_golden_rows(bundle: Bundle, predictor: Predictor) -> None:
    if GOLDEN not in bundle.files:
        raise ArtefactRejected(f"the bundle has no {GOLDEN}")
    golden = GoldenRows.from_bytes(bundle.files[GOLDEN])
    golden.check(predictor.predict(golden.inputs))
