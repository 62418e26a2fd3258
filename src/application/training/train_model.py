"""Train a model, compare it with the champion, register it, and promote it if the policy allows."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from application.data.labelled_rows import Divided, read_labelled
from application.model.load_model import GOLDEN, PROFILE
from application.model.sign_model import sign
from application.ports import (
    DataSource,
    Learner,
    ModelStore,
    Predictor,
    Run,
    Runtime,
    Signer,
    Tracker,
    TrainedModel,
)
from application.promotion.compare_candidates import (
    ChampionComparison,
    CompareCandidates,
    LoadedCandidate,
)
from application.promotion.set_champion import SetChampion, resolved
from application.training.calibrate_intervals import Calibrated, Calibration, to_metrics
from application.training.log_fit import log_folds, log_measured
from application.training.training_progress import TrainingProgress, silent
from domain.canonical_json import json_bytes
from domain.data.dataset import DatasetVersion
from domain.data.feature import Vector
from domain.data.profile import profile
from domain.data.schema import Schema
from domain.errors import Misconfigured, ModelportError, Unavailable
from domain.evaluation.assessment import assess_errors
from domain.evaluation.metrics import Metrics, measure, require_parity, variation_of
from domain.evaluation.segments import segments
from domain.model import golden_rows as golden
from domain.model.bundle import Bundle
from domain.model.golden_rows import GoldenRows
from domain.model.manifest import CodeVersion, Manifest
from domain.model.probe_rows import far_away, without_nullable
from domain.model.reference import ModelRef, ModelVersion
from domain.promotion.candidate import Candidate, Incomparable
from domain.promotion.decision import PromotionDecision
from domain.promotion.ledger import Action, LedgerEntry, outcome_of
from domain.training.specification import TrainingSpec
from domain.uncertainty.coverage import Uncertainty

DECISION = "decision.json"

_PROBED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """The result of training; `champion` is the one before, None without one.

    `uncertainty` is None for a model without intervals.
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
    """Fits on the training rows, evaluates on the hold-out, registers and promotes.

    A failure leaves no incomplete version and no moved alias. The serving form must pass the parity
    check in the runtime of `compare.load` and in `graph_runtime`, which other programs use. `code`
    is recorded in the manifest. Without `calibrate` models have no intervals.
    """

    learner: Learner
    graph_runtime: Runtime
    tracker: Tracker
    compare: CompareCandidates
    set_champion: SetChampion
    clock: Callable[[], datetime]
    code: CodeVersion
    render_reports: Callable[[Manifest], Mapping[str, bytes]]
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
        progress: Callable[[TrainingProgress], None] = silent,
    ) -> TrainingReport:
        """Train the specification on the source; the schema names the model.

        Without `intervals`, training takes about a sixth of the time.

        Raises:
            InvalidData: the data cannot be used.
            ArtefactRejected: the serving form fails the parity check.
            Conflict: the alias was moved in the meantime; the version is registered.
        """
        spec = spec.for_schema(schema)
        progress(TrainingProgress("reading and checking rows"))
        data, store = source.version, self.set_champion.store
        rows = read_labelled(source, schema).divide(spec.split)
        variation_of(rows.holdout.target)  # raises before anything is fitted
        champion = _champion(store, schema.name)
        calibrate = self.calibrate if intervals else None
        done: list[TrainingReport] = []
        try:
            with self._run(schema, spec, data) as run:
                progress(TrainingProgress(f"fitting on {len(rows.training):,} rows"))
                fitted = self._fit(spec, schema, rows, calibrate, progress)
                self._log_fit(run, schema, spec, rows, fitted, data=data)
                progress(TrainingProgress("comparing with the champion, registering", 0.95))
                challenger = self._challenger(schema, spec, data, rows, fitted)
                compared = self.compare(challenger, champion, rows.holdout)
                if not promote:
                    compared = replace(compared, decision=compared.decision.withheld())
                report = self._register(run, challenger, compared, data)
                self._carry_out(run, report, champion, challenger.bundle, requested=promote)
                done.append(report)
        except Unavailable as error:
            if not done:
                raise
            raise _after(done[0], error) from error
        return done[0]

    def _run(
        self,
        schema: Schema,
        spec: TrainingSpec,
        data: DatasetVersion,
        fold: int = 0,
        whole: str = "",
    ) -> AbstractContextManager[Run]:
        """Open the run of a training, or of a fold as part of the run `whole`."""
        title = f"{schema.name} {spec.estimator.value}" + (f", fold {fold}" if fold else "")
        return self.tracker.run(schema.name, spec.to_mapping(), data, title=title, parent=whole)

    def _log_fit(
        self,
        run: Run,
        schema: Schema,
        spec: TrainingSpec,
        rows: Divided,
        fitted: "_Fitted",
        *,
        data: DatasetVersion,
    ) -> None:
        """Record effective hyper-parameters, metrics of the training rows, and each fold."""
        effective = replace(spec, parameters=fitted.trained.parameters)
        target, calibrated = rows.training.target, fitted.calibrated
        run.log_params(effective.to_mapping())
        log_measured(run, target, fitted.trained.predict_training(), "training_")
        if calibrated.out_of_fold is not None:
            open_fold = partial(self._run, schema, effective, data, whole=run.id)
            log_folds(run, open_fold, target, calibrated.out_of_fold, calibrated.folds)

    def _register(
        self,
        run: Run,
        challenger: LoadedCandidate,
        compared: ChampionComparison,
        data: DatasetVersion,
    ) -> TrainingReport:
        """Record what was measured, then save the version."""
        manifest, bundle = challenger.manifest, challenger.bundle
        metrics, uncertainty = manifest.metrics, manifest.uncertainty
        run.log_metrics({**metrics.to_mapping(), **to_metrics(uncertainty)})
        run.log_metrics(compared.decision.to_metrics())
        for name, content in self.render_reports(manifest).items():
            run.log_artifact(name, content)
        run.log_artifact(Bundle.MANIFEST, bundle.files[Bundle.MANIFEST])
        run.log_tags({"bundle": bundle.id})
        details = {**manifest.details(), "data.uri": data.uri, "run": run.id}
        store = self.set_champion.store
        version = store.save(manifest.name, bundle, self.clock(), details)
        version = sign(store, self.signer, version)
        return TrainingReport(
            version, metrics, uncertainty, compared.champion, compared.decision, data, run.id
        )

    def _carry_out(
        self,
        run: Run,
        report: TrainingReport,
        champion: ModelVersion | None,
        bundle: Bundle,
        *,
        requested: bool,
    ) -> None:
        """Promote the version if that was decided; the run records what has become of it."""
        version, decision = report.version, report.decision
        entry = self._entry(report, champion, requested=requested)
        try:
            self.set_champion(entry, version, champion, bundle)
        except ModelportError as error:
            if decision.promoted and not self.set_champion.is_champion(version):
                report = replace(report, decision=decision.failed(str(error)))
            _record_outcome(run, report.decision)
            raise _after(report, error) from error
        _record_outcome(run, decision)

    def _fit(
        self,
        spec: TrainingSpec,
        schema: Schema,
        rows: Divided,
        calibrate: Calibration | None,
        progress: Callable[[TrainingProgress], None],
    ) -> "_Fitted":
        trained = self.learner.fit(spec, schema, rows.training.matrix, rows.training.target)
        served = self.compare.load.runtime.load(schema, trained.files)
        other = self.graph_runtime.load(schema, trained.files)
        holdout = rows.holdout.matrix
        predictions = served.predict(holdout)
        expected = trained.predictor.predict(holdout)
        deviations = [
            require_parity(expected, form, "hold-out")
            for form in (predictions, other.predict(holdout))
        ]
        probes = (
            ("missing values", without_nullable(schema, holdout[:_PROBED_ROWS])),
            ("far away", far_away(schema, holdout[:_PROBED_ROWS])),
        )
        for what, matrix in probes:
            expected = trained.predictor.predict(matrix)
            deviations += [
                require_parity(expected, form.predict(matrix), what) for form in (served, other)
            ]

        def folds_done(done: int, folds: int) -> None:
            # The fit on all rows takes about as long as one on a fold; the last share is the rest.
            stage = f"calibrating intervals, {done} of {folds} folds done"
            progress(TrainingProgress(stage, (1 + done) / (2 + folds)))

        calibrated = Calibrated()
        if calibrate:
            calibrated = calibrate(spec, schema, rows, predictions, folds_done)
        return _Fitted(trained, served, predictions, max(deviations), calibrated)

    def _entry(
        self, report: TrainingReport, champion: ModelVersion | None, *, requested: bool
    ) -> LedgerEntry:
        version, decision = report.version, report.decision
        same = champion is not None and champion.number == version.number
        return LedgerEntry(
            at=self.clock(),
            action=Action.TRAIN,
            outcome=outcome_of(decision, requested=requested, unchanged=same),
            model=version.name,
            version=version.label,
            champion=champion.label if champion else None,
            by=self.set_champion.by,
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
    ) -> LoadedCandidate:
        holdout, trained, predictions = rows.holdout, fitted.trained, fitted.predictions
        parts = segments(schema, holdout.matrix, holdout.target, schema.target.name)
        resampling = self.compare.policy.resampling
        golden_inputs = golden.choose(schema, holdout.matrix)
        manifest = Manifest(
            name=schema.name,
            schema=schema,
            training=replace(spec, parameters=trained.parameters),
            metrics=measure(holdout.target, predictions),
            data=data.identity,
            parity=fitted.parity,
            code=self.code,
            libraries=trained.libraries,
            uncertainty=fitted.calibrated.uncertainty,
            evaluation=assess_errors(holdout.target, predictions, parts, resampling),
        )
        files = {
            **trained.files,
            **fitted.calibrated.files,
            GOLDEN: GoldenRows(golden_inputs, fitted.served.predict(golden_inputs)).to_bytes(),
            PROFILE: json_bytes(profile(schema, rows.training.matrix, predictions)),
        }
        bundle = Bundle.seal(manifest, files)
        return LoadedCandidate("the challenger", manifest, bundle, fitted.served, predictions)


def _champion(store: ModelStore, name: str) -> ModelVersion | None:
    """Return the champion of a model, if there is one.

    Raises:
        Misconfigured: some file systems and databases take the name for that of another model.
    """
    champion = resolved(store, ModelRef(name))
    for known in store.names() if champion is None else ():
        if known != name and known.casefold() == name.casefold():
            raise Misconfigured(
                f"the model name {name!r} differs from {known!r} in upper and lower case only; "
                f"allowed: that name, or another one"
            )
    return champion


def _record_outcome(run: Run, decision: PromotionDecision) -> None:
    run.log_artifact(DECISION, json_bytes(decision.to_mapping()))
    run.log_tags(decision.to_tags())


def _after(report: TrainingReport, error: ModelportError) -> ModelportError:
    """Return an error that also says what became of the version before it."""
    state = "champion" if report.decision.promoted else "registered, but not promoted"
    return type(error)(f"{report.version.label} is {state}: {error}")


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A fitted estimator, its serving form with hold-out predictions, and its intervals."""

    trained: TrainedModel
    served: Predictor
    predictions: Vector
    parity: float
    calibrated: Calibrated
