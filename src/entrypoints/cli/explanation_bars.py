"""Explanations as a person reads them: the largest contributions first, drawn as bars."""

from rich.markup import escape

from application.scoring.explain_rows import Explanations
from entrypoints.cli import output

_WIDTH = 24


def show_explanations(answer: Explanations) -> None:
    """Print for each row what each feature adds to the base."""
    for row in answer.to_mappings():
        for line in bars(row["base"], row["contributions"]):
            output.show(escape(line))


def bars(base: float, contributions: dict[str, float]) -> list[str]:
    """Return a line for the base, and one for each feature with a bar as long as it adds."""
    ordered = sorted(contributions.items(), key=lambda item: -abs(item[1]))
    largest = max(map(abs, contributions.values())) or 1.0
    names = max(map(len, ("base", *contributions)))
    figures = [f"{base:,.2f}", *(f"{value:+,.2f}" for _, value in ordered)]
    width = max(map(len, figures))
    lengths = [0, *(round(_WIDTH * abs(value) / largest) for _, value in ordered)]
    labels = ["base", *(name for name, _ in ordered)]
    return [
        f"{label:<{names}}  {figure:>{width}}  {'█' * length}".rstrip()
        for label, figure, length in zip(labels, figures, lengths, strict=True)
    ]
