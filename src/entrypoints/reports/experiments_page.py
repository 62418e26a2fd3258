"""The page on how the model was chosen, computed from results of experiments."""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Protocol, TypeVar

from application.experiments.report_experiments import ExperimentEvidence
from domain.evaluation.diagnostics import SegmentError, pareto_optimal
from domain.evaluation.segments import PREDICTED
from domain.experiments.ladder import SEARCH
from domain.experiments.results import StepResult
from domain.training.search_space import Trial, best
from domain.uncertainty.coverage import SegmentCoverage
from entrypoints.reports.charts.figures import (
    Bar,
    Bars,
    Curve,
    Dot,
    Dots,
    Figure,
    Map,
    ParetoFront,
)
from entrypoints.reports.rendering import render

if TYPE_CHECKING:
    from entrypoints.reports.notebooks import RenderedNotebook

# Steps with an RMSE of at most this factor times the lowest are shown once more, enlarged.
_CLOSE = 1.2

# Segments with fewer rows are not named as the worst.
_FEWEST_ROWS = 50
_BEST_TRIALS = 5


class _Counted(Protocol):
    @property
    def rows(self) -> int: ...


Part = TypeVar("Part", bound=_Counted)


@dataclass(frozen=True, slots=True)
class ExperimentsPage:
    """The evidence, and the notebooks at the end of the page; `folder` contains them."""

    evidence: ExperimentEvidence
    folder: str | None = None
    notebooks: "Sequence[RenderedNotebook]" = ()

    @property
    def unit(self) -> str:
        """The unit of the target in brackets, after a space; empty where it has none."""
        unit = self.evidence.results.target.unit
        return f" ({unit})" if unit else ""

    @property
    def rejected_after(self) -> list[str]:
        """The names of the steps after the chosen one."""
        names = [step.name for step in self.evidence.results.steps]
        return names[names.index(self.evidence.results.chosen) + 1 :]

    @property
    def search_step(self) -> StepResult | None:
        """The step of the search, if there was one."""
        return next((s for s in self.evidence.results.steps if s.name == SEARCH), None)

    @property
    def searches(self) -> list[tuple[str, Trial, Trial]]:
        """The label of each search, its first trial and its best one."""
        results = self.evidence.results
        folds = [(f"fold {n}", trials) for n, trials in enumerate(results.nested, 1)]
        return [
            (where, trials[0], best(trials))
            for where, trials in [*folds, ("all rows", results.trials)]
        ]

    @property
    def improved(self) -> int:
        """The number of folds in which the best trial is better than the first one."""
        return sum(found.rmse < start.rmse for _, start, found in self.searches[:-1])

    @property
    def gain(self) -> float:
        """The reduction of the RMSE by the search in all rows, on its own folds."""
        _, start, found = self.searches[-1]
        return start.rmse - found.rmse

    @property
    def searched(self) -> list[str]:
        """The hyper-parameters that were searched, by name."""
        return sorted({name for trial in self.evidence.results.trials for name in trial.parameters})

    @property
    def best_trials(self) -> list[tuple[int, Trial]]:
        """The best trials in all rows with their numbers, from 1."""
        trials = enumerate(self.evidence.results.trials, 1)
        return sorted(trials, key=lambda each: each[1].rmse)[:_BEST_TRIALS]

    @property
    def fall(self) -> float:
        """The relative fall of the RMSE between the last two points of the learning curve."""
        before, last = self.evidence.results.examined.curve[-2:]
        return 1 - last.rmse / before.rmse

    @property
    def segments(self) -> list[SegmentError]:
        """The errors of bands and categories; those of map cells are on the map."""
        return [each for each in self.evidence.results.examined.parts if each.by != "map"]

    @property
    def worst(self) -> SegmentError:
        """The segment with the largest RMSE."""
        return max(_large(self.segments), key=lambda each: each.rmse)

    @property
    def covered(self) -> Sequence[SegmentCoverage]:
        """The coverage of bands and categories that have enough rows."""
        known = self.evidence.uncertainty
        return _large([each for each in known.segments if each.by != "map"]) if known else ()

    @property
    def least_covered(self) -> SegmentCoverage | None:
        """The segment with the lowest coverage."""
        return min(self.covered, key=lambda each: each.coverage, default=None)

    @property
    def efficient(self) -> list[str]:
        """The steps that no other step beats in both error and latency."""
        steps = self.evidence.results.steps
        return [step.name for step, on in zip(steps, _on_front(steps), strict=True) if on]

    @property
    def report_command(self) -> str:
        """The command that writes this page."""
        folder = "" if self.folder is None else f" --notebooks {quote(self.folder)}"
        return f"modelport experiments report{folder}"

    def figures(self) -> dict[str, Figure]:
        """Return every figure of the page by its name."""
        found = [*self._of_ladder(), *self._of_seeds(), *self._of_errors(), *self._of_chosen()]
        return {figure.name: figure for figure in found}

    def _of_ladder(self) -> list[Figure]:
        steps, unit = self.evidence.results.steps, self.unit
        lowest = min(step.rmse for step in steps)
        shown = {
            "ladder": ("RMSE by step, with 95% intervals; grey: not taken", steps),
            "closer": (
                "The best of them, enlarged",
                [step for step in steps if step.rmse <= _CLOSE * lowest],
            ),
        }
        dots = [
            Dots(
                name,
                title,
                f"RMSE, cross-validated{unit}",
                tuple(Dot(s.name, s.rmse, s.low, s.high, s.decision.taken) for s in some),
            )
            for name, (title, some) in shown.items()
        ]
        latency = ParetoFront(
            "front",
            "Error and latency",
            "one row (µs)",
            f"RMSE{unit}",
            tuple(step.name for step in steps),
            tuple(step.row_us for step in steps),
            tuple(step.rmse for step in steps),
            tuple(_on_front(steps)),
        )
        return [*dots, latency]

    def _of_seeds(self) -> list[Figure]:
        found: list[Figure] = []
        if self.evidence.results.nested:
            errors = tuple(trial.rmse for trial in self.evidence.results.trials)
            found.append(
                Curve(
                    "search",
                    "Trials of the search in all training rows",
                    "trial",
                    f"RMSE on the folds of the search{self.unit}",
                    tuple(map(float, range(1, len(errors) + 1))),
                    errors,
                    joined=False,
                )
            )
        if seeds := self.evidence.seeds:
            found.append(
                Dots(
                    "seeds",
                    "One specification on other splits",
                    f"RMSE on the hold-out of the split{self.unit}",
                    tuple(Dot(f"seed {s.seed}", s.rmse, s.rmse, s.rmse) for s in seeds.seeds),
                    seeds.mean,
                )
            )
        return found

    def _of_errors(self) -> list[Figure]:
        results = self.evidence.results
        found: list[Figure] = []
        if cells := results.examined.map:
            found.append(
                Map(
                    "map",
                    "Mean error by location: red is too high, blue too low",
                    f"prediction less truth{self.unit}",
                    tuple(cells.longitude),
                    tuple(cells.latitude),
                    tuple(cells.mean),
                    cells.size,
                )
            )
        bands = results.examined.calibration
        found.append(
            Curve(
                "calibration",
                "Mean truth by mean prediction, in twenty bands",
                f"predicted{self.unit}",
                f"true{self.unit}",
                tuple(band.predicted for band in bands),
                tuple(band.true for band in bands),
                diagonal=True,
            )
        )
        for number, by in enumerate(dict.fromkeys(each.by for each in self.segments), 1):
            rows = [each for each in self.segments if each.by == by]
            found.append(
                Bars(
                    f"error-{number}",
                    f"RMSE{self.unit} by {'band of the prediction' if by == PREDICTED else by}",
                    tuple(Bar(f"{each.part}  ({each.rows:,} rows)", each.rmse) for each in rows),
                    results.chosen_step.rmse,
                    "the RMSE of all rows",
                )
            )
        return found

    def _of_chosen(self) -> list[Figure]:
        examined = self.evidence.results.examined
        learning = Curve(
            "learning",
            "Learning curve of the chosen step",
            "training rows",
            f"RMSE on the same other rows{self.unit}",
            tuple(float(point.rows) for point in examined.curve),
            tuple(point.rmse for point in examined.curve),
        )
        importance = Bars(
            "importance",
            f"Permutation importance: rise of the RMSE{self.unit}",
            tuple(Bar(each.feature, each.rise) for each in examined.importance),
        )
        known = self.evidence.uncertainty
        if known is None:
            return [learning, importance]
        coverage = Bars(
            "coverage",
            f"Coverage of {known.level:.0%} intervals on the hold-out",
            tuple(Bar(f"{p.segment}  ({p.rows:,} rows)", p.coverage) for p in self.covered),
            known.level,
            "the level",
            percent=True,
        )
        return [learning, importance, coverage]


def experiments_markdown(page: ExperimentsPage) -> str:
    """Return the page in Markdown; its figures are files of a folder `figures`."""
    return render(
        "experiments.md.j2",
        page=page,
        evidence=page.evidence,
        results=page.evidence.results,
        figures=page.figures(),
    )


def _on_front(steps: Sequence[StepResult]) -> list[bool]:
    return pareto_optimal([step.row_us for step in steps], [step.rmse for step in steps])


def _large(parts: Sequence[Part]) -> Sequence[Part]:
    """Return the segments that have enough rows to compare them, or else all."""
    return [part for part in parts if part.rows >= _FEWEST_ROWS] or parts
