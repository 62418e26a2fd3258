"""Train a model, compare it with the champion, register it, and let it take over if it won."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from application.calibrating import Calibrated, Calibration, to_metrics
from application.loading import GOLDEN, LoadModel
from application.ports import (
    BundleCache,
    DataSource,
    Learner,
    ModelStore,
    Predictor,
    Tracker,
    Trained,
)
from application.promote_model import appoint, keep
from application.reading import Divided, LabelledRows, read_labelled
from domain import golden
from domain.dataset import DatasetVersion
from domain.errors import ArtefactRejected, NotFound
from domain.evaluation import (
    Candidate,
    Incomparable,
    Metrics,
    PromotionDecision,
    PromotionPolicy,
    measure,
    require_parity,
)
from domain.golden import GoldenRows
from domain.model import Bundle, Manifest, ModelRef, ModelVersion, json_bytes
from domain.profile import profile
from domain.schema import Matrix, Schema
from domain.training import TrainingSpec
from domain.unusual import far_away, with_gaps

PROFILE = "profile.json"

_UNUSUAL = 1000


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What training came to; `champion` is the one that was there before, as the gate saw it.

    `uncertainty` is what the manifest says of the model's intervals, None where it has none.
    """

    version: ModelVersion
    metrics: Metrics
    uncertainty: Mapping[str, Any] | None
    champion: Candidate | Incomparable | None
    decision: PromotionDecision
    data: DatasetVersion
    run_id: str


@dataclass(frozen=True)
class TrainModel:
    """Fits on a part of the data, judges on the rest, registers and, if the gate allows, promotes.

    A failure leaves no half-made version and no moved alias behind. `code` says which program
    it is: it becomes part of the manifest. Without `calibrate` models have no intervals.
    """

    learner: Learner
    load: LoadModel
    store: ModelStore
    tracker: Tracker
    policy: PromotionPolicy
    clock: Callable[[], datetime]
    code: Mapping[str, Any]
    cache: BundleCache
    calibrate: Calibration | None = None

    def __call__(
        self,
        source: DataSource,
        schema: Schema,
        spec: TrainingSpec,
        *,
        promote: bool = True,
        intervals: bool = True,
    ) -> TrainingReport:
        """Train the specification on the source; the model bears the schema's name.

        Without `intervals` the model has none, and training takes a sixth of the time or so.

        Raises:
            InvalidData: the data cannot be learnt from; says why.
            ArtefactRejected: the serving form does not answer like the trained estimator.
            Conflict: another champion was appointed in the meantime; the version is registered.
        """
        spec = spec.for_schema(schema)
        data = source.version
        rows = read_labelled(source, schema).divide(spec.split)
        incumbent = self._incumbent(schema.name)
        with self.tracker.run(schema.name, spec.to_mapping(), data) as run:
            fitted = self._fit(spec, schema, rows, self.calibrate if intervals else None)
            bundle, manifest, metrics = self._bundle(schema, spec, data, rows, fitted)
            run.log_metrics({**metrics.to_mapping(), **to_metrics(manifest.uncertainty)})
            champion = self._candidate(incumbent, schema, rows.holdout)
            challenger = Candidate(
                "the challenger", metrics, data.identity(), spec.split, bundle.id
            )
            decision = self.policy.decide(challenger, champion)
            if not promote:
                decision = decision.withheld()
            run.log_artifact(Bundle.MANIFEST, bundle.files[Bundle.MANIFEST])
            run.log_tags({"bundle": bundle.id, **decision.to_tags()})
            details = {**manifest.details(), "data.uri": data.uri, "run": run.id}
            version = self.store.save(schema.name, bundle, self.clock(), details)
        if decision.promoted:
            appoint(self.store, version, incumbent)
            keep(self.cache, version, bundle)
        known = manifest.uncertainty
        return TrainingReport(version, metrics, known, champion, decision, data, run.id)

    def _fit(
        self, spec: TrainingSpec, schema: Schema, rows: Divided, calibrate: Calibration | None
    ) -> "_Fitted":
        trained = self.learner.fit(spec, schema, rows.training.matrix, rows.training.target)
        served = self.load.runtime.load(schema, trained.files)
        holdout = rows.holdout.matrix
        some = holdout[:_UNUSUAL]
        parity = max(
            _parity(trained, served, holdout, "hold-out"),
            _parity(trained, served, with_gaps(schema, some), "missing values"),
            _parity(trained, served, far_away(schema, some), "far away"),
        )
        calibrated = calibrate(spec, schema, rows, served) if calibrate else Calibrated()
        return _Fitted(trained, served, parity, calibrated)

    def _bundle(
        self,
        schema: Schema,
        spec: TrainingSpec,
        data: DatasetVersion,
        rows: Divided,
        fitted: "_Fitted",
    ) -> tuple[Bundle, Manifest, Metrics]:
        holdout, served, trained = rows.holdout, fitted.served, fitted.trained
        predictions = served.predict(holdout.matrix)
        metrics = measure(holdout.target, predictions)
        kept = golden.choose(schema, holdout.matrix)
        sketch = profile(schema, rows.training.matrix, predictions)
        manifest = Manifest(
            name=schema.name,
            schema=schema,
            training={**spec.to_mapping(), "parameters": dict(trained.parameters)},
            metrics=metrics.to_mapping(),
            data=data.identity(),
            parity=fitted.parity,
            code=self.code,
            libraries=trained.libraries,
            uncertainty=fitted.calibrated.uncertainty,
        )
        files = {
            **trained.files,
            **fitted.calibrated.files,
            GOLDEN: GoldenRows(kept, served.predict(kept)).to_bytes(),
            PROFILE: json_bytes(sketch),
        }
        return Bundle.seal(manifest, files), manifest, metrics

    def _incumbent(self, name: str) -> ModelVersion | None:
        try:
            return self.store.resolve(ModelRef(name))
        except NotFound:
            return None

    def _candidate(
        self, incumbent: ModelVersion | None, schema: Schema, holdout: LabelledRows
    ) -> Candidate | Incomparable | None:
        if incumbent is None:
            return None
        try:
            champion = self.load.version(incumbent)
        except ArtefactRejected as error:
            return Incomparable(incumbent.label, str(error), may_be_replaced=True)
        manifest = champion.manifest
        if not manifest.schema.takes_the_same_rows_as(schema):
            why = "its schema has other features; promote the new version by hand if that is meant"
            return Incomparable(incumbent.label, why, may_be_replaced=False)
        return Candidate(
            incumbent.label,
            measure(holdout.target, champion.predictor.predict(holdout.matrix)),
            manifest.data,
            manifest.split,
            incumbent.bundle_id,
        )


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A trained estimator, its serving form, how far they differ, and its intervals."""

    trained: Trained
    served: Predictor
    parity: float
    calibrated: Calibrated


def _parity(trained: Trained, served: Predictor, matrix: Matrix, what: str) -> float:
    return require_parity(trained.predictor.predict(matrix), served.predict(matrix), what)
