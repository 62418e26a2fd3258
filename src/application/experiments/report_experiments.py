"""Collect the results of experiments and the registered versions that they are about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from application.experiments.run_experiments import RESULTS
from application.experiments.try_seeds import SEEDS
from application.model.load_model import LoadModel
from application.ports import ResultStore
from application.promotion.set_champion import resolved
from domain.errors import ArtefactRejected, NotFound
from domain.experiments.results import ExperimentResults, SeedResults, StepResult
from domain.model.manifest import Manifest
from domain.model.reference import ModelRef, ModelVersion
from domain.training.specification import TrainingSpec
from domain.uncertainty.coverage import Uncertainty


@dataclass(frozen=True, slots=True)
class HoldoutResult:
    """The RMSE of a registered version on the hold-out, and its specification."""

    model: str
    training: TrainingSpec
    rmse: float
    aliases: tuple[str, ...] = ()

    def is_of(self, spec: TrainingSpec) -> bool:
        """Whether it was trained by this specification, which lists no default parameters."""
        own = self.training
        same = (own.estimator, own.features) == (spec.estimator, spec.features)
        split = (own.split.holdout, own.seed) == (spec.split.holdout, spec.seed)
        parameters = spec.parameters.items()
        return same and split and all(own.parameters.get(name) == v for name, v in parameters)


@dataclass(frozen=True, slots=True)
class ExperimentEvidence:
    """The input of the report on how the model was chosen.

    `holdout` has every version that was trained on the same data and split, oldest first. `seeds`
    is None if the specification was not tried on other splits of the same data. `uncertainty` is
    None if the champion was trained on other data or has no intervals.
    """

    results: ExperimentResults
    holdout: Sequence[HoldoutResult] = ()
    seeds: SeedResults | None = None
    uncertainty: Uncertainty | None = None

    def holdout_of(self, step: StepResult) -> HoldoutResult | None:
        """Return the newest hold-out result of a step's specification; None without one."""
        found = [result for result in self.holdout if result.is_of(step.training)]
        return found[-1] if found else None

    def metrics(self) -> dict[str, Any]:
        """Return the metrics to compare from one commit to the next, as JSON values."""
        chosen = self.holdout_of(self.results.chosen_step)
        return {
            "chosen": self.results.chosen,
            "cv_rmse": {step.name: step.rmse for step in self.results.steps},
            "holdout_rmse": None if chosen is None else chosen.rmse,
            "mean_rmse_of_seeds": None if self.seeds is None else self.seeds.mean,
        }


@dataclass(frozen=True)
class ReportExperiments:
    """Reads stored results and registered versions; nothing is fitted."""

    results: ResultStore
    load: LoadModel

    def __call__(self) -> ExperimentEvidence:
        """Return the evidence of the last run of experiments.

        Raises:
            NotFound: there was no run.
        """
        results = self.results.get(RESULTS, ExperimentResults)
        if results is None:
            raise NotFound("there are no results of experiments; run `modelport experiments run`")
        seeds = self.results.get(SEEDS, SeedResults)
        known = [
            (version, manifest)
            for version, manifest in self._registered(results.model)
            if manifest.data.sha256 == results.data.sha256
        ]
        champion = resolved(self.load.store, ModelRef(results.model))
        in_use = [m for version, m in known if champion and version.number == champion.number]
        return ExperimentEvidence(
            results=results,
            holdout=[
                HoldoutResult(
                    version.label,
                    manifest.training,
                    manifest.metrics.rmse,
                    tuple(sorted(version.aliases)),
                )
                for version, manifest in known
                if (manifest.split.holdout, manifest.split.seed)
                == (results.plan.holdout, results.plan.seed)
            ],
            seeds=seeds if seeds and seeds.data.sha256 == results.data.sha256 else None,
            uncertainty=in_use[0].uncertainty if in_use else None,
        )

    def _registered(self, name: str) -> list[tuple[ModelVersion, Manifest]]:
        """Return every version whose bundle is intact, with its manifest."""
        store, found = self.load.store, []
        try:
            versions: Sequence[ModelVersion] = store.versions(name)
        except NotFound:
            return []
        for version in versions:
            try:
                found.append((version, store.manifest(version)))
            except ArtefactRejected:
                continue
        return found
