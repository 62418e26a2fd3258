"""Climb a ladder of models: cross-validate each step, search, judge, and look at what was chosen.

Nothing here ever sees the hold-out: models are compared by the folds of the training part.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import Any

from application.cross_validate import CrossValidate, rmse
from application.examine import Examine
from application.ports import DataSource, ResultStore, Searcher, Tracker
from application.reading import LabelledRows, read_labelled
from domain.cross_validation import CrossValidation, Folding
from domain.dataset import DatasetVersion
from domain.errors import Misconfigured
from domain.experiment import SEARCH, SPACE, Plan, Step, key, ladder
from domain.schema import Schema
from domain.schema_file import schema_to_mapping
from domain.search import Trial, best
from domain.training import Estimator, Parameter, TrainingSpec
from domain.verdict import Verdict, judge, spread

RESULTS = "results"


def silent(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class RunExperiments:
    """Tries every step on the same folds of the training part, by the code that `train` runs.

    What was done before for the same data, specification, folds and code is not done again;
    `code` is a digest of the code that a fit runs through.
    """

    cross_validate: CrossValidate
    searcher: Searcher
    results: ResultStore
    tracker: Tracker
    code: str

    def __call__(
        self,
        source: DataSource,
        schema: Schema,
        champion: TrainingSpec,
        plan: Plan,
        *,
        only: Sequence[str] = (),
        fresh: bool = False,
        tell: Callable[[str], None] = silent,
    ) -> Mapping[str, Any]:
        """Return what the experiments came to, as a document that is kept as `results`.

        `only` names the steps to be done; others are reported if they were done before. With
        `fresh` nothing counts as done. `champion` is the specification that `train` uses.

        Raises:
            InvalidData: the data cannot be learnt from; says why.
            Misconfigured: a step that is not on the ladder is asked for, or none was ever done.
        """
        champion = champion.for_schema(schema)
        steps = ladder(schema, champion)
        searching = champion.estimator is Estimator.HIST_GRADIENT_BOOSTING
        known = [step.name for step in steps] + [SEARCH] * searching
        if unknown := sorted({*only} - {*known}):
            raise Misconfigured(
                f"there is no step {', '.join(unknown)}; allowed: {', '.join(known)}"
            )
        data = source.version
        rows = read_labelled(source, schema).divide(plan.split).training
        climb = _Climb(self, schema, data, rows, plan, frozenset(only or known), fresh, tell)
        for step in steps:
            climb.attempt(step)
        if searching and SEARCH in climb.wanted:
            climb.search(champion)
        document = climb.document(champion)
        self.results.put(RESULTS, document)
        return document


@dataclass
class _Climb:
    """The steps that were tried so far, and what they came to."""

    use: RunExperiments
    schema: Schema
    data: DatasetVersion
    rows: LabelledRows
    plan: Plan
    wanted: frozenset[str]
    fresh: bool
    tell: Callable[[str], None]
    steps: list[Step] = field(default_factory=list)
    found: list[CrossValidation] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    trials: Sequence[Trial] = ()

    def attempt(self, step: Step) -> None:
        """Cross-validate a step, or recall that it was done; then judge it."""
        name = self._key("cv", step.spec, self.plan.folding)
        known = self._recall(name, step.name)
        if known is not None:
            found = CrossValidation.from_mapping(known, name)
            self._judge(step, found)
        elif step.name in self.wanted:
            found = self._run(step, name)
        else:
            return
        score = f"RMSE {found.rmse(self.rows.target):,.0f}"
        took = "done before" if known else f"{sum(found.seconds):.1f} s to fit"
        self.tell(f"{step.name}: {score} ({took}); {self.verdicts[-1].words}")

    def search(self, champion: TrainingSpec) -> None:
        """Search for better hyper-parameters of the champion; the best ones are one more step."""
        start = {**self._in_force(champion), **champion.parameters}

        def objective(parameters: Mapping[str, Parameter]) -> float:
            return self._trial(replace(champion, parameters=parameters))

        budget, seed = self.plan.budget, self.plan.searching.seed
        self.trials = self.use.searcher.search(SPACE, objective, budget, seed, start)
        winner = best(self.trials)
        spec = replace(champion, parameters=winner.parameters)
        if winner is self.trials[0]:
            spec = champion
        tries = f"the best of {budget} trials of a seeded search that starts at the champion"
        self.attempt(Step(SEARCH, tries, spec))

    def document(self, champion: TrainingSpec) -> dict[str, Any]:
        """Return everything as JSON values.

        Raises:
            Misconfigured: no step was ever done.
        """
        winner = self._taken()
        if winner is None:
            raise Misconfigured("no step was done yet; ask for one with --only, or for all")
        step = self.steps[winner]
        return {
            "model": self.schema.name,
            "target": {"name": self.schema.target.name, "unit": self.schema.target.unit},
            "data": {"uri": self.data.uri, **self.data.identity()},
            "plan": self.plan.to_mapping(),
            "rows": len(self.rows),
            "code": self.use.code,
            "steps": [self._row(position) for position in range(len(self.steps))],
            "trials": [
                {"parameters": dict(trial.parameters), "rmse": trial.score} for trial in self.trials
            ],
            "chosen": step.name,
            "specification": step.spec.to_mapping(),
            "confirmed": step.spec.to_mapping() == champion.to_mapping(),
            "examined": self._examined(step, self.found[winner]),
        }

    def _run(self, step: Step, name: str) -> CrossValidation:
        params = {"step": step.name, **step.spec.to_mapping(), "folds": self.plan.folding.count}
        title = f"{self.schema.name}-experiments"
        with self.use.tracker.run(title, params, self.data) as run:
            found = self.use.cross_validate(step.spec, self.schema, self.rows, self.plan.folding)
            self._judge(step, found)
            run.log_metrics(
                {
                    "cv_rmse": found.rmse(self.rows.target),
                    **{f"fold_{n}_rmse": score for n, score in enumerate(found.scores, 1)},
                    "fit_seconds": mean(found.seconds),
                    "size_bytes": found.size,
                    "row_us": found.row_us,
                }
            )
            verdict = self.verdicts[-1]
            run.log_tags({"taken": str(verdict.taken).lower(), "verdict": verdict.words})
        self.use.results.put(name, found.to_mapping())
        return found

    def _judge(self, step: Step, found: CrossValidation) -> None:
        taken = self._taken()
        best = None if taken is None else (self.steps[taken].name, self.found[taken])
        self.verdicts.append(judge(found, best, self.rows.target, self.schema.target.unit))
        self.steps.append(step)
        self.found.append(found)

    def _taken(self) -> int | None:
        """Return the position of the last step that was taken."""
        return max((n for n, verdict in enumerate(self.verdicts) if verdict.taken), default=None)

    def _in_force(self, champion: TrainingSpec) -> dict[str, Parameter]:
        """Return the champion's hyper-parameters among those that are searched, if it was tried."""
        for step, found in zip(self.steps, self.found, strict=True):
            if step.spec == champion:
                return {name: found.parameters[name] for name in SPACE}
        return {}

    def _trial(self, spec: TrainingSpec) -> float:
        name = self._key("trial", spec, self.plan.searching)
        known = self._recall(name, SEARCH)
        if known is None:
            folds = self.plan.searching.of(len(self.rows))
            models = self.use.cross_validate.fits(spec, self.schema, self.rows, folds)
            scores = [
                rmse(self.rows.target[fold.judged], model.answers)
                for fold, model in zip(folds, models, strict=True)
            ]
            known = {"rmse": mean(scores)}
            self.use.results.put(name, known)
        self.tell(f"trial: RMSE {known['rmse']:,.0f} with {dict(spec.parameters)}")
        return float(known["rmse"])

    def _examined(self, step: Step, found: CrossValidation) -> Mapping[str, Any]:
        name = self._key("examined", step.spec, self.plan.folding)
        known = self._recall(name, step.name)
        if known is None:
            self.tell(f"{step.name}: looking at it closely")
            look = Examine(self.use.cross_validate)
            known = look(step.spec, self.schema, self.rows, self.plan.folding, found)
            self.use.results.put(name, known)
        return known

    def _row(self, position: int) -> dict[str, Any]:
        step, found = self.steps[position], self.found[position]
        low, high = spread(found, self.rows.target)
        return {
            "name": step.name,
            "tries": step.tries,
            "training": step.spec.to_mapping(),
            "parameters": dict(found.parameters),
            "rmse": found.rmse(self.rows.target),
            "low": low,
            "high": high,
            "scores": list(found.scores),
            "fit_seconds": mean(found.seconds),
            "size": found.size,
            "row_us": found.row_us,
            "verdict": self.verdicts[position].to_mapping(),
        }

    def _recall(self, name: str, step: str) -> Mapping[str, Any] | None:
        again = self.fresh and step in self.wanted
        return None if again else self.use.results.get(name)

    def _key(self, kind: str, spec: TrainingSpec, folding: Folding) -> str:
        return key(
            kind,
            data=self.data.identity(),
            schema=schema_to_mapping(self.schema),
            training=spec.to_mapping(),
            folds=[folding.count, folding.seed],
            code=self.use.code,
        )
