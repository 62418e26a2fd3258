"""Train a model, compare it with the champion, register it, and let it take over if it won."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from application.data.labelled_rows import Divided, read_labelled
from application.model.load_model import GOLDEN, PROFILE
from application.model.sign_model import sign
from application.ports import (
    DataSource,
    Learner,
    Predictor,
    Run,
    Runtime,
    Signer,
    Tracker,
    TrainedModel,
)
from application.promotion.compare_candidates import CompareCandidates, Contender
from application.promotion.set_champion import SetChampion, resolved
from application.training.calibrate_intervals import Calibrated, Calibration, to_metrics
from domain.canonical_json import json_bytes
from domain.data.dataset import DatasetVersion
from domain.data.profile import profile
from domain.data.schema import Matrix, Schema
from domain.evaluation.assessment import assess_errors
from domain.evaluation.metrics import Metrics, measure, require_parity
from domain.evaluation.segments import segments
from domain.model import golden_rows as golden
from domain.model.bundle import Bundle
from domain.model.golden_rows import GoldenRows
from domain.model.manifest import CodeVersion, Manifest
from domain.model.probe_rows import far_away, with_gaps
from domain.model.reference import ModelRef, ModelVersion
from domain.promotion.candidate import Candidate, Incomparable
from domain.promotion.decision import PromotionDecision
from domain.promotion.ledger import Action, LedgerEntry, outcome_of
from domain.training.specification import TrainingSpec
from domain.uncertainty.coverage import Uncertainty

DECISION = "decision.json"
CARD = "model-card.md"

_UNUSUAL = 1000


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What training came to; `champion` is the one that was there before, as the gate saw it.

    `uncertainty` is what the manifest says of the model's intervals, None where it has none.
    """

    version: ModelVersion
    metrics: Metrics
    uncertainty: Uncertainty | None
    champion: Candidate | Incomparable | None
    decision: PromotionDecision
    data: DatasetVersion
    run_id: str


@dataclass(frozen=True)
class TrainModel:
    """Fits on a part of the data, judges on the rest, registers and, if the gate allows, promotes.

    A failure leaves no half-made version and no moved alias behind. `elsewhere` is the runtime of
    programs that cannot use that of `load`; both have to answer like the trained estimator. `code`
    says which program it is: it becomes part of the manifest. Without `calibrate` models have no
    intervals.
    """

    learner: Learner
    elsewhere: Runtime
    tracker: Tracker
    judge: CompareCandidates
    appoint: SetChampion
    clock: Callable[[], datetime]
    code: CodeVersion
    render_card: Callable[[Manifest], bytes]
    calibrate: Calibration | None = None
    signer: Signer | None = None

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
        data, store = source.version, self.appoint.store
        rows = read_labelled(source, schema).divide(spec.split)
        incumbent = resolved(store, ModelRef(schema.name))
        with self.tracker.run(schema.name, spec.to_mapping(), data) as run:
            fitted = self._fit(spec, schema, rows, self.calibrate if intervals else None)
            challenger, metrics = self._challenger(schema, spec, data, rows, fitted)
            known = challenger.manifest.uncertainty
            run.log_metrics({**metrics.to_mapping(), **to_metrics(known)})
            judged = self.judge(challenger, incumbent, rows.holdout)
            decision = judged.decision if promote else judged.decision.withheld()
            run.log_artifact(CARD, self.render_card(challenger.manifest))
            _record(run, challenger, decision)
            details = {**challenger.manifest.details(), "data.uri": data.uri, "run": run.id}
            version = store.save(schema.name, challenger.bundle, self.clock(), details)
            version = sign(store, self.signer, version)
        report = TrainingReport(version, metrics, known, judged.champion, decision, data, run.id)
        entry = self._entry(report, incumbent, asked=promote)
        self.appoint(entry, version, incumbent, challenger.bundle)
        return report

    def _fit(
        self, spec: TrainingSpec, schema: Schema, rows: Divided, calibrate: Calibration | None
    ) -> "_Fitted":
        trained = self.learner.fit(spec, schema, rows.training.matrix, rows.training.target)
        served = self.judge.load.runtime.load(schema, trained.files)
        forms = (served, self.elsewhere.load(schema, trained.files))
        holdout = rows.holdout.matrix
        some = holdout[:_UNUSUAL]
        parity = max(
            _parity(trained.predictor, forms, holdout, "hold-out"),
            _parity(trained.predictor, forms, with_gaps(schema, some), "missing values"),
            _parity(trained.predictor, forms, far_away(schema, some), "far away"),
        )
        calibrated = calibrate(spec, schema, rows, served) if calibrate else Calibrated()
        return _Fitted(trained, served, parity, calibrated)

    def _entry(
        self, report: TrainingReport, incumbent: ModelVersion | None, *, asked: bool
    ) -> LedgerEntry:
        version, decision = report.version, report.decision
        same = incumbent is not None and incumbent.number == version.number
        return LedgerEntry(
            at=self.clock(),
            action=Action.TRAIN,
            outcome=outcome_of(decision, asked=asked, unchanged=same),
            model=version.name,
            version=version.label,
            champion=incumbent.label if incumbent else None,
            by=self.appoint.by,
            reasons=decision.reasons,
            evidence={
                **decision.to_mapping(),
                "bundle": version.bundle_id,
                "run": report.run_id,
                "data": report.data.to_mapping(),
            },
        )

    def _challenger(
        self,
        schema: Schema,
        spec: TrainingSpec,
        data: DatasetVersion,
        rows: Divided,
        fitted: "_Fitted",
    ) -> tuple[Contender, Metrics]:
        holdout, served, trained = rows.holdout, fitted.served, fitted.trained
        predictions = served.predict(holdout.matrix)
        metrics = measure(holdout.target, predictions)
        parts = segments(schema, holdout.matrix, holdout.target, schema.target.name)
        sampled = self.judge.policy.resampling
        kept = golden.choose(schema, holdout.matrix)
        sketch = profile(schema, rows.training.matrix, predictions)
        manifest = Manifest(
            name=schema.name,
            schema=schema,
            training=replace(spec, parameters=trained.parameters),
            metrics=metrics,
            data=data.identity,
            parity=fitted.parity,
            code=self.code,
            libraries=trained.libraries,
            uncertainty=fitted.calibrated.uncertainty,
            evaluation=assess_errors(holdout.target, predictions, parts, sampled),
        )
        files = {
            **trained.files,
            **fitted.calibrated.files,
            GOLDEN: GoldenRows(kept, served.predict(kept)).to_bytes(),
            PROFILE: json_bytes(sketch),
        }
        return Contender("the challenger", manifest, Bundle.seal(manifest, files), served), metrics


def _parity(estimator: Predictor, forms: Iterable[Predictor], matrix: Matrix, what: str) -> float:
    """Return the largest deviation of any serving form from the estimator, on some rows."""
    expected = estimator.predict(matrix)
    return max(require_parity(expected, form.predict(matrix), what) for form in forms)


def _record(run: Run, challenger: Contender, decision: PromotionDecision) -> None:
    bundle = challenger.bundle
    run.log_metrics(decision.to_metrics())
    run.log_artifact(Bundle.MANIFEST, bundle.files[Bundle.MANIFEST])
    run.log_artifact(DECISION, json_bytes(decision.to_mapping()))
    run.log_tags({"bundle": bundle.id, **decision.to_tags()})


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A trained estimator, its serving form, how far they differ, and its intervals."""

    trained: TrainedModel
    served: Predictor
    parity: float
    calibrated: Calibrated
