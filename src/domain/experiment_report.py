"""How the model was chosen, told from the results of experiments: every word follows by rule."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain.document import Document, Section, Table
from domain.evidence import Evidence, amount
from domain.experiment_findings import costs, errors, importance, intervals, learning
from domain.figures import Curve, Dots

_BEST_TRIALS = 5

# Steps whose error is at most so many times the lowest are shown once more, closer.
_CLOSE = 1.2


def experiment_report(evidence: Evidence) -> Document:
    """Return the page that answers how the model was chosen."""
    results = evidence.results
    simulated = results["data"]["simulated"]
    return Document(
        title=f"How the model {results['model']} was chosen",
        summary=tuple(_answer(evidence)),
        warning="Simulated data: this shows how the program works, nothing about the world."
        if simulated
        else "",
        sections=tuple(_sections(evidence)),
    )


def _answer(evidence: Evidence) -> Iterator[str]:
    results, chosen = evidence.results, evidence.chosen
    plain = results["steps"][0]
    yield (
        f"Of {len(results['steps'])} models that were tried on the same "
        f"{results['plan']['folds']} folds of {results['rows']:,} training rows, "
        f"{chosen['name']} was chosen: {chosen['tries']}. Its cross-validated RMSE is "
        f"{amount(chosen['rmse'])}{evidence.money}, where {plain['name']} has "
        f"{amount(plain['rmse'])}."
    )
    opening = evidence.opened_by(chosen)
    if opening is None:
        yield "It was not judged by the hold-out yet: `modelport train` does that, once."
    else:
        times = len(evidence.openings)
        yield (
            f"On the hold-out its RMSE is {amount(opening.rmse)}{evidence.money} "
            f"({opening.model}). The hold-out was opened {_times(times)}: for each candidate "
            f"that was trained for the gate."
        )
    if not results["confirmed"]:
        yield (
            "It is not what `modelport train` trains: that specification was tried too and was "
            "not the best. `modelport experiments run --update` writes down what was chosen."
        )


def _sections(evidence: Evidence) -> Iterator[Section]:
    yield _ladder(evidence)
    if evidence.results["trials"]:
        yield _search(evidence)
    yield _holdout(evidence)
    if evidence.seeds:
        yield _luck(evidence, evidence.seeds)
    examined = evidence.results["examined"]
    yield learning(evidence, examined["curve"])
    yield errors(evidence, examined)
    yield importance(evidence, examined["importance"])
    yield costs(evidence)
    if evidence.uncertainty:
        yield intervals(evidence.uncertainty)
    yield _again(evidence)


def _ladder(evidence: Evidence) -> Section:
    steps = evidence.results["steps"]
    unit = evidence.unit
    rows = []
    for step in steps:
        change = step["verdict"]["difference"] or {}
        opening = evidence.opened_by(step)
        rows.append(
            (
                step["name"],
                float(step["rmse"]),
                change.get("estimate"),
                change.get("low"),
                change.get("high"),
                None if opening is None else opening.rmse,
                float(step["fit_seconds"]),
                step["size"] / 1000,
                float(step["row_us"]),
            )
        )
    header = (
        *("step", f"RMSE{unit}", "change", "from", "to", "hold-out", "fit (s)"),
        *("size (kB)", "one row (µs)"),
    )
    lowest = min(float(step["rmse"]) for step in steps)
    close = [step for step in steps if step["rmse"] <= _CLOSE * lowest]
    return Section(
        "The ladder",
        (
            (
                "Each step is fitted by the code that `train` runs, exported, and asked in its "
                "serving form for the rows it has not seen. Change is its RMSE less that of the "
                "best step above it; from and to are the ends of the 95% interval of that change, "
                "by a paired bootstrap over rows. Hold-out is empty where it was not opened."
            ),
            "Taken is what surely errs less; a plainer model stays where one cannot be sure:",
        ),
        tuple(f"{step['name']} ({step['tries']}) {step['verdict']['words']}" for step in steps),
        (Table(header, tuple(rows)),),
        (
            _dots("ladder", "Error by step, with 95% intervals; grey was refused", unit, steps),
            _dots("closer", "The best of them, closer", unit, close),
        ),
    )


def _dots(name: str, title: str, unit: str, steps: Sequence[Mapping[str, Any]]) -> Dots:
    return Dots(
        name,
        title,
        f"RMSE, cross-validated{unit}",
        tuple(str(step["name"]) for step in steps),
        tuple(float(step["rmse"]) for step in steps),
        tuple(float(step["low"]) for step in steps),
        tuple(float(step["high"]) for step in steps),
        tuple(bool(step["verdict"]["taken"]) for step in steps),
    )


def _search(evidence: Evidence) -> Section:
    trials = evidence.results["trials"]
    order = sorted(range(len(trials)), key=lambda number: float(trials[number]["rmse"]))
    names = sorted({name for trial in trials for name in trial["parameters"]})
    rows = tuple(
        (
            number + 1,
            float(trials[number]["rmse"]),
            *(trials[number]["parameters"][n] for n in names),
        )
        for number in order[:_BEST_TRIALS]
    )
    gain = trials[0]["rmse"] - trials[order[0]]["rmse"]
    found = (
        "None was better than the start."
        if order[0] == 0
        else f"The best lowered the RMSE on the search's own folds by {amount(gain)}"
        f"{evidence.money}; whether that is more than chance is decided on the ladder's folds, "
        f"as the step search."
    )
    return Section(
        "The search for hyper-parameters",
        (
            (
                f"{len(trials)} trials of a seeded search, of which the first is what `train` "
                f"uses, on {evidence.results['plan']['search_folds']} folds of their own within "
                f"the training rows; the hold-out took no part. {found}"
            ),
        ),
        tables=(Table(("trial", f"RMSE{evidence.unit}", *names), rows),),
        figures=(
            Curve(
                "search",
                "Trials of the search",
                "trial",
                f"RMSE on the search's folds{evidence.unit}",
                tuple(float(number + 1) for number in range(len(trials))),
                tuple(float(trial["rmse"]) for trial in trials),
                joined=False,
            ),
        ),
    )


def _holdout(evidence: Evidence) -> Section:
    share = evidence.results["plan"]["holdout"]
    opened = [
        (o.model, o.training["estimator"], o.training.get("features"), o.rmse, ", ".join(o.aliases))
        for o in evidence.openings
    ]
    often = (
        f"opened {_times(len(opened))}: each line is a version that was trained and proposed."
        if opened
        else "never opened."
    )
    header = ("version", "estimator", "features", f"RMSE{evidence.unit}", "in use as")
    return Section(
        "The hold-out",
        (
            (
                f"{share:.0%} of the rows are kept apart by a seeded shuffle. No step, no trial "
                f"and no figure on this page but those named hold-out saw them. They were "
                f"{often}"
            ),
        ),
        tables=(Table(header, tuple(opened)),) if opened else (),
    )


def _luck(evidence: Evidence, seeds: Mapping[str, Any]) -> Section:
    found = seeds["seeds"]
    scores = tuple(float(one["rmse"]) for one in found)
    learnt, left, judged = seeds["shares"]
    apart = f", {left:.0%} left out" if left > 1e-9 else ""
    return Section(
        "The luck of the split",
        (
            (
                f"The specification that `train` uses, trained on {len(found)} other splits "
                f"({learnt:.0%} to learn from{apart}, {judged:.0%} to judge by): the mean RMSE is "
                f"{amount(seeds['mean'])}{evidence.money}, with a standard error of "
                f"{amount(seeds['standard_error'])}. Single splits range from "
                f"{amount(min(scores))} to {amount(max(scores))}: that much is luck."
            ),
        ),
        figures=(
            Dots(
                "seeds",
                "One specification on other splits",
                f"RMSE on the split's hold-out{evidence.unit}",
                tuple(f"seed {one['seed']}" for one in found),
                scores,
                scores,
                scores,
                tuple(True for _ in found),
                float(seeds["mean"]),
            ),
        ),
    )


def _again(evidence: Evidence) -> Section:
    results, plan = evidence.results, evidence.results["plan"]
    data = results["data"]
    count = f" --seeds {len(evidence.seeds['seeds'])}" if evidence.seeds else ""
    commands = (
        f"modelport experiments run --seed {plan['seed']} --folds {plan['folds']} "
        f"--budget {plan['budget']}\n"
        f"modelport experiments seeds{count}\n"
        "modelport train\n"
        "modelport experiments report"
    )
    return Section(
        "How to repeat it",
        (
            (
                f"Data: {data['uri']}, {data['rows']:,} rows, SHA-256 {data['sha256']}. The digest "
                f"of the code that fits and answers is {results['code']}; the same data and code "
                f"give the same errors, and times that depend on the machine."
            ),
        ),
        command=commands,
    )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
