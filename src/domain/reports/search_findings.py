"""The part of a report on the search: how it was nested, what it found, and what that is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.experiments.ladder import SEARCH
from domain.reports.document import DocumentTable, Section
from domain.reports.evidence import Evidence, amount
from domain.reports.figures import Curve

_BEST_TRIALS = 5

Trials = Sequence[Mapping[str, Any]]


def search(evidence: Evidence) -> Section:
    """Return what the searches did; `evidence` has the results of some."""
    trials: Trials = evidence.results["trials"]
    nested: Sequence[Trials] = evidence.results["nested"]
    plan = evidence.results["plan"]
    others = len(trials) - 1
    tried = f"{others} other{'' if others == 1 else 's'}"
    return Section(
        "The search for hyper-parameters",
        (
            (
                f"A seeded search begins with what `train` uses and tries {tried}, judged by "
                f"{plan['search_folds']} folds of the rows that it is given. It is made "
                f"{1 + len(nested)} times: once in the training rows of each of the "
                f"{len(nested)} folds of the ladder, which gives the hyper-parameters of the "
                f"model that this fold judges; and once in all training rows, which gives the "
                f"candidate. So no row by which the step {SEARCH} is scored was seen by the search "
                f"behind the model that it judges. The hold-out took no part in any."
            ),
            _worth(evidence, trials, nested),
            (
                "Start and best are RMSE on the search's own folds; the lower table has the best "
                "trials in all rows."
            ),
        ),
        tables=(_of_folds(evidence, nested), _of_trials(evidence, trials)),
        figures=(
            Curve(
                "search",
                "Trials of the search in all training rows",
                "trial",
                f"RMSE on the search's folds{evidence.unit}",
                tuple(float(number + 1) for number in range(len(trials))),
                tuple(float(trial["rmse"]) for trial in trials),
                joined=False,
            ),
        ),
    )


def _worth(evidence: Evidence, trials: Trials, nested: Sequence[Trials]) -> str:
    better = sum(_best(each) > 0 for each in nested)
    least = trials[_best(trials)]["rmse"]
    gain = trials[0]["rmse"] - least
    found = (
        "the one in all rows found none"
        if not gain
        else f"the one in all rows lowered the RMSE on its own folds by "
        f"{amount(gain)}{evidence.money}"
    )
    step = next((s for s in evidence.results["steps"] if s["name"] == SEARCH), None)
    verdict = f" On rows that they had not seen: {step['verdict']['words']}." if step else ""
    return (
        f"In {better} of {len(nested)} folds the search found better than its start, and "
        f"{found}; the lowest of many trials is lower than it deserves.{verdict}"
    )


def _of_folds(evidence: Evidence, nested: Sequence[Trials]) -> DocumentTable:
    names = _names(evidence)
    header = ("search in", "start", "best", *names)
    found = [(f"fold {n}", trials) for n, trials in enumerate(nested, 1)]
    rows = [
        (
            where,
            float(trials[0]["rmse"]),
            float(trials[_best(trials)]["rmse"]),
            *(trials[_best(trials)]["parameters"][name] for name in names),
        )
        for where, trials in [*found, ("all rows", evidence.results["trials"])]
    ]
    return DocumentTable(header, tuple(rows))


def _of_trials(evidence: Evidence, trials: Trials) -> DocumentTable:
    names = _names(evidence)
    order = sorted(range(len(trials)), key=lambda number: float(trials[number]["rmse"]))
    rows = tuple(
        (number + 1, float(trials[number]["rmse"]), *map(trials[number]["parameters"].get, names))
        for number in order[:_BEST_TRIALS]
    )
    return DocumentTable(("trial", "RMSE", *names), rows)


def _names(evidence: Evidence) -> list[str]:
    return sorted({name for trial in evidence.results["trials"] for name in trial["parameters"]})


def _best(trials: Trials) -> int:
    """Return the number of the trial of the lowest error, the first of equals."""
    return min(range(len(trials)), key=lambda number: float(trials[number]["rmse"]))
