"""How the model was chosen, told from the results of experiments: every word follows by rule."""

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import Any

from domain.reports.document import Document, DocumentTable, Section
from domain.reports.evidence import Evidence, amount
from domain.reports.experiment_findings import costs, errors, importance, intervals, learning
from domain.reports.figures import Dots
from domain.reports.search_findings import search

# Steps whose error is at most so many times the lowest are shown once more, closer.
_CLOSE = 1.2


def experiment_report(evidence: Evidence, notebooks: str | None = None) -> Document:
    """Return the page that answers how the model was chosen; notebooks of a folder may follow."""
    results = evidence.results
    simulated = results["data"]["simulated"]
    return Document(
        title=f"How the model {results['model']} was chosen",
        summary=tuple(_answer(evidence)),
        warning="Simulated data: this shows how the program works, nothing about the world."
        if simulated
        else "",
        sections=(*_sections(evidence), _again(evidence, notebooks)),
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
    if chosen["verdict"]["against"]:
        yield f"{chosen['name']} was {chosen['verdict']['words']}.{_what_came_after(evidence)}"
    opening = evidence.opened_by(chosen)
    if opening is None:
        yield "It was not judged by the hold-out yet: `modelport train` does that, once."
    else:
        times = len(evidence.openings)
        yield (
            f"On the hold-out its RMSE is {amount(opening.rmse)}{evidence.money} "
            f"({opening.model}), on {results['plan']['holdout']:.0%} of all rows that took no part "
            f"in choosing. The hold-out was opened {_times(times)}, by what the registry knows: "
            f"once for each candidate that was trained for the gate."
        )
    if not results["confirmed"]:
        yield (
            "It is not what `modelport train` trains; "
            "`modelport experiments run --update` writes down what was chosen."
        )


def _what_came_after(evidence: Evidence) -> str:
    names = [step["name"] for step in evidence.results["steps"]]
    later = names[names.index(evidence.chosen["name"]) + 1 :]
    return f" What was tried after it was refused: {', '.join(later)}." if later else ""


def _sections(evidence: Evidence) -> Iterator[Section]:
    yield _chosen(evidence)
    yield _ladder(evidence)
    if evidence.results.get("nested"):
        yield search(evidence)
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


def _chosen(evidence: Evidence) -> Section:
    step, training = evidence.chosen, evidence.chosen["training"]
    features = training.get("features")
    of_what = f" on {features} features" if features else ""
    words = [
        f"{training['estimator']}{of_what}; a fold takes {step['fit_seconds']:.3g} s of computing."
    ]
    known = {name: value for name, value in step["parameters"].items() if value is not None}
    if known:
        listed = ", ".join(f"{name} {value}" for name, value in sorted(known.items()))
        words.append(f"Its hyper-parameters: {listed}.")
    return Section(f"What was chosen: {step['name']}", tuple(words))


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
                f"The training rows are dealt into {evidence.results['plan']['folds']} folds. Each "
                "step is fitted on all folds but one, by the code that `train` runs, exported, and "
                "asked in its serving form for the rows of that one, which it has not seen; so "
                "every row judges each step once. RMSE is the root of the mean squared error of "
                "these answers: the size of a typical error, in which large ones count more."
            ),
            (
                "A step is compared, row by row, with the last one that was taken. It is taken if "
                "it surely errs less; where one cannot be sure, the plainer model stays. In the "
                "table, change is its RMSE less that one's, and from and to are the ends of the "
                "95% interval of the change, by a paired bootstrap over rows. Hold-out is empty "
                "where it was not opened."
            ),
        ),
        tuple(f"{step['name']}, {step['tries']}. {_capital(step)}." for step in steps),
        (DocumentTable(header, tuple(rows)),),
        (
            _dots("ladder", "Error by step, with 95% intervals; grey was refused", unit, steps),
            _dots("closer", "The best of them, closer", unit, close),
        ),
    )


def _capital(step: Mapping[str, Any]) -> str:
    words = str(step["verdict"]["words"])
    return words[:1].upper() + words[1:]


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
                f"{often} A version learns from all training rows, the model of a fold from fewer; "
                f"that, and the luck of one draw, is why its RMSE here is not that of the ladder. "
                f"What was tried before there was this registry, it cannot know."
            ),
        ),
        tables=(DocumentTable(header, tuple(opened)),) if opened else (),
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


def _again(evidence: Evidence, notebooks: str | None) -> Section:
    results, plan = evidence.results, evidence.results["plan"]
    data = results["data"]
    count = f" --seeds {len(evidence.seeds['seeds'])}" if evidence.seeds else ""
    books = "" if notebooks is None else f" --notebooks {quote(notebooks)}"
    commands = (
        f"modelport experiments run --seed {plan['seed']} --folds {plan['folds']} "
        f"--budget {plan['budget']}\n"
        f"modelport experiments seeds{count}\n"
        "modelport train\n"
        f"modelport experiments report{books}"
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
