"""Climb a ladder of models: cross-validate each step, search, judge, and look at what was chosen.

Nothing here ever sees the hold-out: models are compared by the folds of the training part.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from application.data.labelled_rows import LabelledRows, read_labelled
from application.experiments.examine_model import ExamineModel
from application.experiments.nested_search import NestedSearch, found_by, parts
from application.ports import DataSource, ResultStore, Searcher, Tracker
from application.training.cross_validate import CrossValidate
from domain.canonical_json import json_value
from domain.data.dataset import DatasetVersion
from domain.data.schema import Schema
from domain.errors import Misconfigured
from domain.experiments.ladder import SEARCH, SPACE, Plan, Step, key, ladder
from domain.experiments.results import Examination, ExperimentResults, StepResult
from domain.experiments.step_selection import StepDecision, judge
from domain.training.cross_validation import CrossValidation, Folding
from domain.training.search_space import Trial
from domain.training.specification import Estimator, Parameter, TrainingSpec

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
    ) -> ExperimentResults:
        """Return the results of the experiments, after they are stored as `results`.

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
        results = climb.results(champion)
        self.results.put(RESULTS, results.to_mapping())
        return results


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
    verdicts: list[StepDecision] = field(default_factory=list)
    trials: Sequence[Trial] = ()
    nested: Sequence[Sequence[Trial]] = ()

    def attempt(self, step: Step, searched: Sequence[TrainingSpec] = ()) -> None:
        """Cross-validate a step, or recall that it was done; then judge it.

        `searched` has a specification for each fold, where a search was made in each.
        """
        if all(spec == step.spec for spec in searched):
            searched = ()
        nested = {"searched": [spec.to_mapping() for spec in searched]} if searched else {}
        name = self._key("cv", step.spec, self.plan.folding, **nested)
        known = self._recall(name, step.name)
        if known is not None:
            found = CrossValidation.from_mapping(known, name)
            self._judge(step, found)
        elif step.name in self.wanted:
            found = self._run(step, name, searched)
        else:
            return
        score = f"RMSE {found.rmse(self.rows.target):,.0f}"
        took = "done before" if known else f"{sum(found.seconds):.1f} s to fit"
        self.tell(f"{step.name}: {score} ({took}); {self.verdicts[-1].words}")

    def search(self, champion: TrainingSpec) -> None:
        """Search for better hyper-parameters of the champion, and judge what searching comes to.

        The candidate is what a search in all rows finds. The model of each fold is fitted by what
        a search in that fold's training rows found, so that no search has seen what judges it.
        """
        found = self._searches(champion)
        self.trials, self.nested = found[0], found[1:]
        tries = (
            f"the best of {self.plan.budget} trials of a seeded search that starts at the "
            f"champion, made anew in the training rows of every fold"
        )
        step = Step(SEARCH, tries, found_by(self.trials, champion))
        self.attempt(step, [found_by(trials, champion) for trials in self.nested])

    def _searches(self, champion: TrainingSpec) -> list[list[Trial]]:
        start = {**self._in_force(champion), **champion.parameters}
        plan, cross = self.plan, self.use.cross_validate
        where = parts(plan.folding, len(self.rows))
        inner = [plan.budget, plan.searching.count, plan.searching.seed]
        names = {
            part: self._key("search", champion, plan.folding, start=start, part=part, inner=inner)
            for part in where
        }
        known = {part: self._recall(name, SEARCH) for part, name in names.items()}
        lacking = [part for part, found in known.items() if found is None]
        task = NestedSearch(
            *(cross.learner, self.use.searcher, self.schema, self.rows),
            *(champion, start, plan.searching, plan.budget),
        )
        work = [where[part] for part in lacking]
        for part, trials in zip(
            lacking, cross.executor.map(task, work, cross.workers), strict=True
        ):
            known[part] = {"trials": trials}
            self.use.results.put(names[part], {"trials": trials})
            least = min(float(trial["rmse"]) for trial in trials)
            gain = float(trials[0]["rmse"]) - least
            self.tell(f"search in {part}: RMSE {least:,.0f}, {gain:,.0f} below its start")
        return [[*map(Trial.from_mapping, each["trials"])] for each in known.values() if each]

    def results(self, champion: TrainingSpec) -> ExperimentResults:
        """Return everything that was measured and decided.

        Raises:
            Misconfigured: no step was ever done.
        """
        winner = self._taken()
        if winner is None:
            raise Misconfigured("no step was done yet; ask for one with --only, or for all")
        step = self.steps[winner]
        steps = [
            StepResult.of(*each, self.rows.target)
            for each in zip(self.steps, self.found, self.verdicts, strict=True)
        ]
        return ExperimentResults(
            model=self.schema.name,
            target=self.schema.target.name,
            unit=self.schema.target.unit,
            data=self.data,
            plan=self.plan,
            rows=len(self.rows),
            code=self.use.code,
            steps=steps,
            trials=self.trials,
            nested=self.nested,
            chosen=steps[winner],
            specification=step.spec,
            confirmed=step.spec == champion,
            examined=self._examined(step, self.found[winner]),
        )

    def _run(self, step: Step, name: str, searched: Sequence[TrainingSpec] = ()) -> CrossValidation:
        params = {"step": step.name, **step.spec.to_mapping(), "folds": self.plan.folding.count}
        title = f"{self.schema.name}-experiments"
        with self.use.tracker.run(title, params, self.data) as run:
            folds = self.plan.folding.of(len(self.rows))
            specs = searched or [step.spec] * len(folds)
            work = [*zip(specs, folds, strict=True)]
            found = self.use.cross_validate.each(work, self.schema, self.rows)
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
        self.use.results.put(name, json_value(found))
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

    def _examined(self, step: Step, found: CrossValidation) -> Examination:
        name = self._key("examined", step.spec, self.plan.folding)
        known = self._recall(name, step.name)
        if known is not None:
            return Examination.from_mapping(known)
        self.tell(f"{step.name}: diagnostics")
        examine = ExamineModel(self.use.cross_validate)
        examined = examine(step.spec, self.schema, self.rows, self.plan.folding, found)
        self.use.results.put(name, examined.to_mapping())
        return examined

    def _recall(self, name: str, step: str) -> Mapping[str, Any] | None:
        again = self.fresh and step in self.wanted
        return None if again else self.use.results.get(name)

    def _key(self, kind: str, spec: TrainingSpec, folding: Folding, **more: Any) -> str:
        return key(
            kind,
            data=json_value(self.data.identity),
            schema=self.schema.to_mapping(),
            training=spec.to_mapping(),
            folds=[folding.count, folding.seed],
            code=self.use.code,
            **more,
        )
