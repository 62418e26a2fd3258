"""Train one specification on many splits: how much its RMSE depends on the split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import mean, stdev

from application.data.labelled_rows import read_labelled
from application.ports import DataSource, ResultStore, Tracker
from application.training.cross_validate import CrossValidate, rmse
from domain.data.dataset import DatasetVersion
from domain.data.schema import Schema
from domain.errors import Misconfigured
from domain.experiments.ladder import key
from domain.experiments.results import SeedResults, SeedScore
from domain.numbers import rounded
from domain.training.cross_validation import Fold
from domain.training.specification import TrainingSpec

SEEDS = "seeds"


@dataclass(frozen=True)
class TrySeeds:
    """Fits a specification on splits by different seeds; evaluates each on its hold-out.

    The results must not be used to choose a specification: these hold-outs share rows with the
    one that the promotion gate uses.
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
        report: Callable[[str], None] = lambda _: None,
    ) -> SeedResults:
        """Return the RMSE for each seed, their mean and its standard error.

        The fractions of hold-out and validation are those of the specification's split.

        Raises:
            InvalidData: the data cannot be trained on; gives the reason.
            Misconfigured: there are fewer than two seeds.
        """
        if len({*seeds}) < 2:
            raise Misconfigured(f"seeds: {len({*seeds})} are too few; allowed: 2 or more")
        spec = spec.for_schema(schema)
        data, rows = source.version, read_labelled(source, schema)
        seeded = {seed: replace(spec, split=replace(spec.split, seed=seed)) for seed in seeds}
        facts = {"data": data.identity, "schema": schema, "code": self.code}
        names = {seed: key("seed", training=one, **facts) for seed, one in seeded.items()}
        stored = [] if fresh else [self.results.get(name, SeedScore) for name in names.values()]
        scores = {known.seed: known for known in stored if known}
        missing = [seed for seed in seeded if seed not in scores]
        folds = {seed: Fold(*seeded[seed].split.positions(len(rows))) for seed in missing}
        work = [(seeded[seed], folds[seed]) for seed in missing]
        models = self.cross_validate.all_fits(work, schema, rows)
        for seed, model in zip(missing, models, strict=True):
            error = rmse(rows.target[folds[seed].holdout], model.predictions)
            scores[seed] = SeedScore(seed, error)
            self.results.put(names[seed], scores[seed])
            report(f"seed {seed}: RMSE {rounded(error)}")
        found = _summary(spec, data, [scores[seed] for seed in seeded])
        params = {"step": SEEDS, **spec.to_mapping(), "seed": len(found.seeds)}
        name, title = f"{schema.name}-experiments", f"{schema.name} seeds"
        with self.tracker.run(name, params, data, title=title) as run:
            by_seed = {f"seed_{each.seed}_rmse": each.rmse for each in found.seeds}
            run.log_metrics({"mean_rmse": found.mean, **by_seed})
        self.results.put(SEEDS, found)
        return found


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
