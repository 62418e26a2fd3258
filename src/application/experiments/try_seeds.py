"""One specification on many splits: how much of a score is the luck of the split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import mean, stdev
from typing import Any

from application.data.labelled_rows import read_labelled
from application.ports import DataSource, ResultStore, Tracker
from application.training.cross_validate import CrossValidate, rmse
from domain.data.dataset import DatasetVersion
from domain.data.schema import Schema
from domain.data.schema_mapping import schema_to_mapping
from domain.errors import Misconfigured
from domain.experiments.ladder import key
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
    ) -> Mapping[str, Any]:
        """Return the RMSE for each seed, their mean and its standard error, as a document.

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
            scores[seed] = rmse(rows.target[folds[seed].judged], model.answers)
            self.results.put(names[seed], {"rmse": scores[seed]})
            tell(f"seed {seed}: RMSE {scores[seed]:,.0f}")
        document = _summary(spec, data, {seed: scores[seed] for seed in seeds})
        self._track(schema, spec, data, document)
        self.results.put(SEEDS, document)
        return document

    def _track(
        self, schema: Schema, spec: TrainingSpec, data: DatasetVersion, document: Mapping[str, Any]
    ) -> None:
        params = {"step": SEEDS, **spec.to_mapping(), "seed": len(document["seeds"])}
        with self.tracker.run(f"{schema.name}-experiments", params, data) as run:
            by_seed = {f"seed_{one['seed']}_rmse": one["rmse"] for one in document["seeds"]}
            run.log_metrics({"mean_rmse": document["mean"], **by_seed})

    def _key(self, spec: TrainingSpec, schema: Schema, data: DatasetVersion) -> str:
        return key(
            "seed",
            data=data.identity(),
            schema=schema_to_mapping(schema),
            training=spec.to_mapping(),
            code=self.code,
        )


def _summary(
    spec: TrainingSpec, data: DatasetVersion, scores: Mapping[int, float]
) -> dict[str, Any]:
    split, found = spec.split, list(scores.values())
    return {
        "data": {"uri": data.uri, **data.identity()},
        "specification": spec.to_mapping(),
        "shares": [1 - split.holdout - split.validation, split.validation, split.holdout],
        "seeds": [{"seed": seed, "rmse": score} for seed, score in scores.items()],
        "mean": mean(found),
        "deviation": stdev(found),
        "standard_error": stdev(found) / sqrt(len(found)),
    }
