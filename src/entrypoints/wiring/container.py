"""The composition root: one selector per port, one factory per use case."""

from typing import TYPE_CHECKING

from application.model.load_model import LoadModel
from application.scoring.explain_rows import ExplainRows, LoadExplainer
from application.scoring.predict_one import PredictOne
from application.serving.served_model import ServedModel
from entrypoints.wiring import builders
from entrypoints.wiring import data_uris as data
from entrypoints.wiring.injector import containers, later, providers
from entrypoints.wiring.provenance import code_version
from entrypoints.wiring.settings import Accelerators, EngineKind, Settings, StoreKind, TrackerKind

if TYPE_CHECKING:
    from application.evaluation.evaluate_model import EvaluateModel
    from application.experiments.report_experiments import ReportExperiments
    from application.experiments.run_experiments import RunExperiments
    from application.experiments.try_seeds import TrySeeds
    from application.model.sign_model import SignModel
    from application.promotion.compare_candidates import CompareCandidates
    from application.promotion.promote_model import PromoteModel
    from application.promotion.set_champion import SetChampion
    from application.scoring.predict_batch import PredictBatch
    from application.training.cross_validate import CrossValidate
    from application.training.train_model import TrainModel


class Container(containers.DeclarativeContainer):
    """Provides every use case for given settings; an adapter is built when it is first needed."""

    settings = providers.Dependency(instance_of=Settings)
    now = providers.Object(builders.now)

    tracker = providers.Selector(
        settings.provided.tracker_kind,
        **{
            TrackerKind.MLFLOW: providers.ThreadSafeSingleton(builders.mlflow_tracker, settings),
            TrackerKind.FILE: providers.ThreadSafeSingleton(builders.file_tracker, settings),
            TrackerKind.SQL: providers.ThreadSafeSingleton(builders.sql_tracker, settings),
            TrackerKind.NONE: providers.ThreadSafeSingleton(builders.no_tracker),
        },
    )
    store = providers.Selector(
        settings.provided.store_kind,
        **{
            StoreKind.MLFLOW: providers.ThreadSafeSingleton(builders.mlflow_store, settings),
            StoreKind.FILE: providers.ThreadSafeSingleton(builders.file_store, settings),
            StoreKind.HTTP: providers.ThreadSafeSingleton(builders.http_store, settings),
        },
    )
    bundle_cache = providers.ThreadSafeSingleton(builders.bundle_cache, settings)
    signer = providers.ThreadSafeSingleton(builders.signer, settings)
    verifier = providers.ThreadSafeSingleton(builders.verifier, settings)
    key_store = providers.ThreadSafeSingleton(builders.key_store, settings)
    traces = providers.ThreadSafeSingleton(builders.traces, settings)
    ledger = providers.ThreadSafeSingleton(builders.ledger, settings)
    learner = providers.ThreadSafeSingleton(builders.learner)
    graph_runtime = providers.ThreadSafeSingleton(builders.graph_runtime)
    runtime = providers.Selector(
        settings.provided.accelerators,
        **{
            Accelerators.ALL: providers.ThreadSafeSingleton(builders.runtime),
            Accelerators.NONE: graph_runtime,
        },
    )
    explainers = providers.ThreadSafeSingleton(builders.explainers)
    served_explainers = providers.ThreadSafeSingleton(builders.served_explainers)
    manifest_reader = providers.ThreadSafeSingleton(builders.manifest_reader)
    schema = providers.ThreadSafeSingleton(builders.schema, settings)
    model_ref = providers.ThreadSafeSingleton(builders.model_ref, settings)
    source = providers.Factory(data.open_source, settings)
    sink = providers.Factory(data.open_sink, settings)
    local_executor = providers.ThreadSafeSingleton(builders.local_executor)
    executor = providers.Selector(
        settings.provided.engine,
        **{
            EngineKind.LOCAL: local_executor,
            EngineKind.RAY: providers.ThreadSafeSingleton(builders.ray_executor, settings),
        },
    )

    load_model = providers.Factory(LoadModel, store, runtime, manifest_reader, verifier)
    set_champion: "providers.Factory[SetChampion]" = providers.Factory(
        later("application.promotion.set_champion", "SetChampion"),
        store,
        ledger,
        bundle_cache,
        now,
        providers.Callable(builders.actor, settings),
    )
    compare_candidates: "providers.Factory[CompareCandidates]" = providers.Factory(
        later("application.promotion.compare_candidates", "CompareCandidates"),
        load_model,
        providers.Callable(builders.promotion_policy, settings),
    )
    train_model: "providers.Factory[TrainModel]" = providers.Factory(
        later("application.training.train_model", "TrainModel"),
        learner,
        graph_runtime,
        tracker,
        compare_candidates,
        set_champion,
        now,
        providers.Callable(code_version),
        providers.Object(later("entrypoints.reports.model_card", "render_reports")),
        providers.Factory(
            later("application.training.calibrate_intervals", "CalibrateIntervals"),
            learner,
            runtime,
            providers.ThreadSafeSingleton(builders.local_executor, may_abandon=True),
        ),
        signer,
    )
    sign_model: "providers.Factory[SignModel]" = providers.Factory(
        later("application.model.sign_model", "SignModel"), store, signer, manifest_reader
    )
    evaluate_model: "providers.Factory[EvaluateModel]" = providers.Factory(
        later("application.evaluation.evaluate_model", "EvaluateModel"), load_model
    )
    promote_model: "providers.Factory[PromoteModel]" = providers.Factory(
        later("application.promotion.promote_model", "PromoteModel"), load_model, set_champion
    )
    predict_batch: "providers.Factory[PredictBatch]" = providers.Factory(
        later("application.scoring.predict_batch", "PredictBatch"),
        load_model,
        executor,
        explainers=explainers.provider,
    )
    serving = providers.ThreadSafeSingleton(ServedModel, load_model, model_ref, bundle_cache, now)
    specification = providers.Factory(builders.specification, settings)
    results = providers.ThreadSafeSingleton(builders.results, settings)
    cross_validate: "providers.Factory[CrossValidate]" = providers.Factory(
        later("application.training.cross_validate", "CrossValidate"),
        learner,
        runtime,
        providers.ThreadSafeSingleton(builders.processes),
    )
    fitting_code = providers.Callable(builders.fitting_code, learner, runtime)
    run_experiments: "providers.Factory[RunExperiments]" = providers.Factory(
        later("application.experiments.run_experiments", "RunExperiments"),
        cross_validate,
        providers.ThreadSafeSingleton(builders.searcher),
        results,
        tracker,
        fitting_code,
    )
    report_experiments: "providers.Factory[ReportExperiments]" = providers.Factory(
        later("application.experiments.report_experiments", "ReportExperiments"),
        results,
        load_model,
    )
    try_seeds: "providers.Factory[TrySeeds]" = providers.Factory(
        later("application.experiments.try_seeds", "TrySeeds"),
        cross_validate,
        results,
        tracker,
        fitting_code,
    )
    load_explainer = providers.ThreadSafeSingleton(
        LoadExplainer, store, bundle_cache, explainers.provider, manifest_reader
    )
    explain_served = providers.Factory(
        ExplainRows,
        serving.provided.model,
        providers.ThreadSafeSingleton(
            LoadExplainer, store, bundle_cache, served_explainers.provider, manifest_reader
        ),
        settings.provided.max_explained_rows,
    )
    predict_one = providers.Factory(PredictOne, serving.provided.model, settings.provided.max_rows)


def build_container(settings: Settings) -> Container:
    """Return a container for these settings; nothing is built yet."""
    return Container(settings=settings)
