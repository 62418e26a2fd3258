"""The parts of a report on the chosen model: how it learns, where it errs, what it goes by."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain.evaluation.diagnostics import on_the_front
from domain.evaluation.segments import PREDICTED
from domain.reports.document import DocumentTable, Section
from domain.reports.evidence import Evidence, amount
from domain.reports.figures import Bars, Curve, Map, ParetoFront

# A learning curve that falls by less than this for the last rows is called flat.
_FLAT = 0.01

# Of smaller parts nothing is said in words.
_FEWEST_ROWS = 50


def learning(evidence: Evidence, curve: Sequence[Mapping[str, Any]]) -> Section:
    """Return what the learning curve says."""
    first, last = curve[-2], curve[-1]
    fall = 1 - last["rmse"] / first["rmse"]
    more = "more rows would still help" if fall > _FLAT else "more rows would hardly help"
    change = f"falls by {fall:.1%}" if fall > 0 else "does not fall"
    return Section(
        "How it learns",
        ((f"From {first['rows']:,} to {last['rows']:,} rows its RMSE {change}: {more}."),),
        figures=(
            Curve(
                "learning",
                "Learning curve of the chosen step",
                "training rows",
                f"RMSE on the same other rows{evidence.unit}",
                tuple(float(point["rows"]) for point in curve),
                tuple(float(point["rmse"]) for point in curve),
            ),
        ),
    )


def errors(evidence: Evidence, examined: Mapping[str, Any]) -> Section:
    """Return where on the map, in which band and for which categories it errs."""
    parts = [part for part in examined["parts"] if part["by"] != "map"]
    unit = evidence.unit
    rows = tuple(
        (p["by"], p["part"], p["rows"], float(p["rmse"]), float(p["mae"]), float(p["bias"]))
        for p in parts
    )
    worst = max(_large(parts), key=lambda part: float(part["rmse"]))
    kinds = tuple(dict.fromkeys(str(part["by"]) for part in parts))
    bars = tuple(
        Bars(
            f"error-{number}",
            f"Error by {'band of the prediction' if by == PREDICTED else by}",
            f"RMSE{unit}",
            tuple(f"{p['part']}  ({p['rows']:,} rows)" for p in parts if p["by"] == by),
            tuple(float(p["rmse"]) for p in parts if p["by"] == by),
            float(evidence.chosen["rmse"]),
        )
        for number, by in enumerate(kinds, 1)
    )
    bands = examined["calibration"]
    straight = Curve(
        "calibration",
        "Mean truth by mean prediction, in twenty bands",
        f"predicted{unit}",
        f"true{unit}",
        tuple(band["predicted"] for band in bands),
        tuple(band["true"] for band in bands),
        diagonal=True,
    )
    return Section(
        "Where it errs",
        (
            (
                f"Errors are those of rows that the models had not seen. They are largest for "
                f"{worst['by']} {worst['part']}: RMSE {amount(worst['rmse'])}{evidence.money} over "
                f"{worst['rows']:,} rows. The dashed line is the RMSE over all rows; bias is the "
                f"mean of prediction less truth."
            ),
        ),
        tables=(DocumentTable(("by", "part", "rows", f"RMSE{unit}", "MAE", "bias"), rows),),
        figures=(*_residuals(evidence, examined["map"]), *bars, straight),
    )


def _residuals(evidence: Evidence, cells: Mapping[str, Any] | None) -> Iterator[Map]:
    if cells:
        yield Map(
            "map",
            "Mean error by place: red is predicted too high, blue too low",
            f"prediction less truth{evidence.unit}",
            tuple(cells["longitude"]),
            tuple(cells["latitude"]),
            tuple(cells["mean"]),
            float(cells["size"]),
        )


def importance(evidence: Evidence, found: Sequence[Mapping[str, Any]]) -> Section:
    """Return by how much the error rises when a feature is shuffled."""
    first = found[0]
    return Section(
        "What it goes by",
        (
            (
                f"The values of one feature are shuffled among the rows: the more the RMSE rises, "
                f"the more the model goes by it. It does so most for {first['feature']}, by "
                f"{amount(first['rise'])}{evidence.money}. What the model looks up around a place "
                f"counts as the place."
            ),
        ),
        figures=(
            Bars(
                "importance",
                "Importance by permutation",
                f"rise of the RMSE{evidence.unit}",
                tuple(str(one["feature"]) for one in found),
                tuple(float(one["rise"]) for one in found),
            ),
        ),
    )


def costs(evidence: Evidence) -> Section:
    """Return which steps are beaten by no other in both error and latency."""
    steps = evidence.results["steps"]
    costs = [float(step["row_us"]) for step in steps]
    errors = [float(step["rmse"]) for step in steps]
    front = on_the_front(costs, errors)
    best = [step["name"] for step, on in zip(steps, front, strict=True) if on]
    return Section(
        "Quality against latency",
        (
            (
                f"No other step is both as fast and as good as {_listed(best)}. Latency is the "
                f"median time of the serving form for one row, at a place that it was not asked "
                f"for before, without the network, on the machine of this run."
            ),
        ),
        figures=(
            ParetoFront(
                "front",
                "Error and latency",
                "one row (µs)",
                f"RMSE{evidence.unit}",
                tuple(step["name"] for step in steps),
                tuple(costs),
                tuple(errors),
                tuple(front),
            ),
        ),
    )


def intervals(known: Mapping[str, Any]) -> Section:
    """Return how many true values its intervals hold, from a version's manifest."""
    parts = _large([part for part in known["segments"] if part["by"] != "map"])
    level = f"{known['level']:.0%}"
    worst = min(parts, key=lambda part: float(part["coverage"]), default=None)
    least = (
        f" Least covered is {worst['by']} {worst['segment']}: {worst['coverage']:.1%} of "
        f"{int(worst['rows']):,} rows."
        if worst
        else ""
    )
    return Section(
        "Intervals",
        (
            (
                f"{known['coverage']:.1%} of the hold-out's true values lie in the {level} "
                f"interval of the version in use; it is {known['narrower']:.0%} narrower on "
                f"average than one of constant width that covers as many.{least}"
            ),
        ),
        figures=(
            Bars(
                "coverage",
                f"Coverage of {level} intervals on the hold-out",
                "share of true values inside",
                tuple(f"{p['segment']}  ({int(p['rows']):,} rows)" for p in parts),
                tuple(float(part["coverage"]) for part in parts),
                float(known["level"]),
                percent=True,
            ),
        ),
    )


def _large(parts: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the parts that have rows enough for a figure to mean something, or else all."""
    return [part for part in parts if part["rows"] >= _FEWEST_ROWS] or parts


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
