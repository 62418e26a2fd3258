"""Run a ladder of models: cross-validate each step, search, select, and examine the chosen one.

The hold-out is not used: steps are compared on the folds of the training rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import mean
from typing import Any, NamedTuple, TypeVar

from application.data.labelled_rows import LabelledRows, read_labelled
from application.experiments.examine_model import ExamineModel
from application.experiments.nested_search import NestedSearch, best_specification, search_rows
from application.ports import DataSource, ResultStore, Searcher, Tracker
from application.training.cross_validate import CrossValidate
from application.training.log_fit import log_folds
from domain.data.dataset import DatasetVersion
from domain.data.schema import Schema
from domain.errors import Misconfigured
from domain.experiments.ladder import SEARCH, SPACE, Plan, Step, key, ladder
from domain.experiments.results import Examination, ExperimentResults, StepResult
from domain.experiments.step_selection import StepDecision, select_step
from domain.numbers import rounded
from domain.training.cross_validation import CrossValidation
from domain.training.search_space import Trial
from domain.training.specification import Estimator, Parameter, TrainingSpec

RESULTS = "results"

Result = TypeVar("Result")


@dataclass(frozen=True)
class RunExperiments:
    """Cross-validates every step on the same folds, by the code that `train` runs.

    Results for the same data, specification, folds and code are read from the store; `code` is a
    digest of the code that fits and predicts.
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
        report: Callable[[str], None] = lambda _: None,
    ) -> ExperimentResults:
        """Return the results of the experiments, after they are stored as `results`.

        `only` names the steps to compute; stored results of other steps are included. With `fresh`
        stored results of these steps are ignored. `champion` is the specification that `train`
        uses. `report` gets a line of progress after each step.

        Raises:
            InvalidData: the data cannot be trained on; gives the reason.
            Misconfigured: `only` has an unknown step, or no step has a result.
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
        wanted = frozenset(only or known)
        run = _ExperimentRun(self, schema, data, rows, plan, wanted, fresh, report)
        for step in steps:
            run.attempt(step)
        if searching and SEARCH in wanted:
            run.search(champion)
        results = run.results(champion)
        self.results.put(RESULTS, results)
        return results


class _Attempt(NamedTuple):
    step: Step
    found: CrossValidation
    decision: StepDecision


@dataclass
class _ExperimentRun:
    """The steps attempted so far, with their results."""

    use_case: RunExperiments
    schema: Schema
    data: DatasetVersion
    rows: LabelledRows
    plan: Plan
    wanted: frozenset[str]
    fresh: bool
    report: Callable[[str], None]
    attempts: list[_Attempt] = field(default_factory=list)
    trials: Sequence[Trial] = ()
    nested: Sequence[Sequence[Trial]] = ()

    def attempt(self, step: Step, searched: Sequence[TrainingSpec] = ()) -> None:
        """Cross-validate a step, or read its stored result; then decide whether it is taken.

        `searched` has the specification of each fold, where a search was made in each.
        """
        if all(spec == step.spec for spec in searched):
            searched = ()
        name = self._key("cv", step.spec, **({"searched": searched} if searched else {}))
        known = self._stored(name, step.name, CrossValidation)
        if known is None and step.name not in self.wanted:
            return
        found = known or self._cross_validated(step, name, searched)
        decision = self._add(step, found) if known else self.attempts[-1].decision
        took = "stored" if known else f"{sum(found.seconds):.1f} s to fit"
        rmse = found.rmse(self.rows.target)
        self.report(f"{step.name}: RMSE {rounded(rmse)} ({took}); {decision.reason}")

    def search(self, champion: TrainingSpec) -> None:
        """Search for better hyper-parameters than the champion's, and attempt the result.

        The candidate is the best trial of a search in all rows. The model of each fold is fitted
        by the best trial of a search in the training rows of this fold, so that no search uses
        the rows that its model is evaluated on.
        """
        self.trials, *self.nested = self._searches(champion)
        tries = (
            f"the best of {self.plan.budget} trials of a seeded search that starts at the "
            f"champion, repeated in the training rows of every fold"
        )
        step = Step(SEARCH, tries, best_specification(self.trials, champion))
        self.attempt(step, [best_specification(trials, champion) for trials in self.nested])

    def _searches(self, champion: TrainingSpec) -> list[list[Trial]]:
        start = {**self._defaults(champion), **champion.parameters}
        cross, folding = self.use_case.cross_validate, self.plan.search_folding
        positions = search_rows(self.plan.folding, len(self.rows))
        inner = [self.plan.budget, folding.count, folding.seed]
        names = {
            part: self._key("search", champion, start=start, part=part, inner=inner)
            for part in positions
        }
        known = {part: self._stored(name, SEARCH, list[Trial]) for part, name in names.items()}
        missing = [part for part, trials in known.items() if trials is None]
        task = NestedSearch(
            *(cross.learner, self.use_case.searcher, self.schema, self.rows),
            *(champion, start, folding, self.plan.budget),
        )
        work = [positions[part] for part in missing]
        searched = cross.executor.map(task, work, cross.workers)
        for part, trials in zip(missing, searched, strict=True):
            known[part] = [*trials]
            self.use_case.results.put(names[part], trials)
            lowest = min(trial.rmse for trial in trials)
            gain = trials[0].rmse - lowest
            self.report(
                f"search in {part}: RMSE {rounded(lowest)}, {rounded(gain)} below its start"
            )
        return [trials for trials in known.values() if trials]

    def results(self, champion: TrainingSpec) -> ExperimentResults:
        """Return everything that was measured and decided.

        Raises:
            Misconfigured: no step has a result.
        """
        chosen = self._best()
        if chosen is None:
            raise Misconfigured("no step has a result; name one with --only, or run all")
        return ExperimentResults(
            model=self.schema.name,
            target=self.schema.target,
            data=self.data,
            plan=self.plan,
            rows=len(self.rows),
            code=self.use_case.code,
            steps=[StepResult.of(*each, self.rows.target) for each in self.attempts],
            trials=self.trials,
            nested=self.nested,
            chosen=chosen.step.name,
            specification=chosen.step.spec,
            confirmed=chosen.step.spec == champion,
            examined=self._examined(chosen),
        )

    def _cross_validated(
        self, step: Step, name: str, searched: Sequence[TrainingSpec]
    ) -> CrossValidation:
        params = {"step": step.name, **step.spec.to_mapping(), "folds": self.plan.folds}
        recorded = partial(self.use_case.tracker.run, f"{self.schema.name}-experiments", params)
        title = f"{self.schema.name} {step.name}"
        with recorded(self.data, title=title) as run:
            folds = self.plan.folding.of(len(self.rows))
            specs = searched or [step.spec] * len(folds)
            work = [*zip(specs, folds, strict=True)]
            found = self.use_case.cross_validate.each(work, self.schema, self.rows)
            decision = self._add(step, found)
            run.log_metrics(
                {
                    "fit_seconds": mean(found.seconds),
                    "size_bytes": found.size,
                    "row_us": found.row_us,
                }
            )
            open_fold = partial(recorded, self.data, parent=run.id)
            log_folds(
                run,
                lambda number: open_fold(title=f"{title}, fold {number}"),
                self.rows.target,
                found.predictions,
                [fold.holdout for fold in folds],
            )
            run.log_tags({"taken": str(decision.taken).lower(), "verdict": decision.reason})
        self.use_case.results.put(name, found)
        return found

    def _add(self, step: Step, found: CrossValidation) -> StepDecision:
        best = self._best()
        against = best and (best.step.name, best.found)
        decision = select_step(found, against, self.rows.target, self.schema.target.unit)
        self.attempts.append(_Attempt(step, found, decision))
        return decision

    def _best(self) -> _Attempt | None:
        """Return the last step that was taken."""
        return next((each for each in reversed(self.attempts) if each.decision.taken), None)

    def _defaults(self, champion: TrainingSpec) -> dict[str, Parameter]:
        """Return all searched hyper-parameters of the champion, if it was attempted."""
        for step, found, _ in self.attempts:
            if step.spec == champion:
                return {name: found.parameters[name] for name in SPACE}
        return {}

    def _examined(self, chosen: _Attempt) -> Examination:
        step = chosen.step
        name = self._key("examined", step.spec)
        known = self._stored(name, step.name, Examination)
        if known is not None:
            return known
        self.report(f"{step.name}: diagnostics")
        examine = ExamineModel(self.use_case.cross_validate)
        examined = examine(step.spec, self.schema, self.rows, self.plan.folding, chosen.found)
        self.use_case.results.put(name, examined)
        return examined

    def _stored(self, name: str, step: str, form: type[Result]) -> Result | None:
        ignored = self.fresh and step in self.wanted
        return None if ignored else self.use_case.results.get(name, form)

    def _key(self, kind: str, spec: TrainingSpec, **more: Any) -> str:
        return key(
            kind,
            data=self.data.identity,
            schema=self.schema,
            training=spec,
            folds=[self.plan.folds, self.plan.seed],
            code=self.use_case.code,
            **more,
        )
