"""One specification on many splits: how much of a score is the luck of the split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import mean, stdev

from application.data.labelled_rows import read_labelled
from application.ports import DataSource, ResultStore, Tracker
from application.training.cross_validate import CrossValidate, rmse
from domain.canonical_json import json_value
from domain.data.dataset import DatasetVersion
from domain.data.schema import Schema
from domain.errors import Misconfigured
from domain.experiments.ladder import key
from domain.experiments.results import SeedResults, SeedScore
from domain.training.cross_validation import Fold
from domain.training.specification import TrainingSpec

SEEDS = "seeds"


@dataclass(frozen=True)
class TrySeeds:
    """Fits the same specification on splits by different seeds; each is judged by its hold-out.

    That says how good the recipe is, and must not be used to choose one: these hold-outs share
    rows with the one that the gate uses.
    """

    cross_validate: CrossValidate
    results: ResultStore
    tracker: Tracker
    code: str

    def __call__(
        self,
        source: DataSource,
        schema: Schema,
        spec: TrainingSpec,
        seeds: Sequence[int],
        *,
        fresh: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> SeedResults:
        """Return the RMSE for each seed, their mean and its standard error.

        The fractions of hold-out and validation are those of the specification's split.

        Raises:
            InvalidData: the data cannot be learnt from; says why.
            Misconfigured: there are fewer than two seeds.
        """
        if len({*seeds}) < 2:
            raise Misconfigured(f"seeds: {len({*seeds})} are too few; allowed: 2 or more")
        spec = spec.for_schema(schema)
        data, rows = source.version, read_labelled(source, schema)
        seeded = {seed: replace(spec, split=replace(spec.split, seed=seed)) for seed in seeds}
        names = {seed: self._key(one, schema, data) for seed, one in seeded.items()}
        known = {} if fresh else {seed: self.results.get(name) for seed, name in names.items()}
        lacking = [seed for seed in seeded if not known.get(seed)]
        folds = {seed: Fold(*seeded[seed].split.positions(len(rows))) for seed in lacking}
        work = [(seeded[seed], folds[seed]) for seed in lacking]
        models = self.cross_validate.all_fits(work, schema, rows)
        scores = {seed: float(found["rmse"]) for seed, found in known.items() if found}
        for seed, model in zip(lacking, models, strict=True):
            scores[seed] = rmse(rows.target[folds[seed].holdout], model.answers)
            self.results.put(names[seed], {"rmse": scores[seed]})
            tell(f"seed {seed}: RMSE {scores[seed]:,.0f}")
        found = _summary(
            spec, data, [SeedScore(seed, scores[seed]) for seed in dict.fromkeys(seeds)]
        )
        self._track(schema, spec, data, found)
        self.results.put(SEEDS, found.to_mapping())
        return found

    def _track(
        self, schema: Schema, spec: TrainingSpec, data: DatasetVersion, found: SeedResults
    ) -> None:
        params = {"step": SEEDS, **spec.to_mapping(), "seed": len(found.seeds)}
        with self.tracker.run(f"{schema.name}-experiments", params, data) as run:
            by_seed = {f"seed_{each.seed}_rmse": each.rmse for each in found.seeds}
            run.log_metrics({"mean_rmse": found.mean, **by_seed})

    def _key(self, spec: TrainingSpec, schema: Schema, data: DatasetVersion) -> str:
        return key(
            "seed",
            data=json_value(data.identity),
            schema=schema.to_mapping(),
            training=spec.to_mapping(),
            code=self.code,
        )


def _summary(spec: TrainingSpec, data: DatasetVersion, seeds: Sequence[SeedScore]) -> SeedResults:
    split, scores = spec.split, [each.rmse for each in seeds]
    return SeedResults(
        data=data,
        specification=spec,
        shares=(1 - split.holdout - split.validation, split.validation, split.holdout),
        seeds=seeds,
        mean=mean(scores),
        deviation=stdev(scores),
        standard_error=stdev(scores) / sqrt(len(scores)),
    )
