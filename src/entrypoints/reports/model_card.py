"""The model card of a version, computed from its manifest."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from domain.features.feature_set import FeatureSet
from domain.model.manifest import Manifest
from entrypoints.reports.charts.drawing import draw
from entrypoints.reports.charts.figures import Bar, Bars
from entrypoints.reports.model_description import describe_intervals
from entrypoints.reports.rendering import html_page, render

_KIND = attrgetter("by")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A manifest with facts of its registered version, such as `version` or `run`."""

    manifest: Manifest
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The label of the version; without one, the name of the model."""
        return f"Model card: {self.facts.get('version', self.manifest.name)}"

    @property
    def unit(self) -> str:
        """The unit of the target in brackets, after a space; empty where it has none."""
        unit = self.manifest.schema.target.unit
        return f" ({unit})" if unit else ""

    @property
    def intervals(self) -> str:
        """The intervals in one line, or why there are none."""
        rows = self.manifest.data.rows - self.manifest.metrics.rows
        return describe_intervals(self.manifest.uncertainty, rows)

    @property
    def is_spatial(self) -> bool:
        """Whether the model uses neighbour statistics."""
        return self.manifest.training.features is FeatureSet.SPATIAL

    @property
    def error_bars(self) -> tuple[Bars, ...]:
        """The RMSE of each segment, a figure for each kind of segment."""
        evaluation = self.manifest.evaluation
        segments = evaluation.segments if evaluation else ()
        return tuple(
            Bars(
                f"rmse-{number}",
                f"RMSE{self.unit} by {by}",
                tuple(Bar(s.segment, s.rmse, s.low, s.high) for s in some),
                self.manifest.metrics.rmse,
                "the RMSE of all hold-out rows",
            )
            for number, (by, some) in enumerate(groupby(segments, _KIND), 1)
        )

    @property
    def coverage_bars(self) -> tuple[Bars, ...]:
        """The coverage of each segment, a figure for each kind of segment."""
        known = self.manifest.uncertainty
        if known is None:
            return ()
        return tuple(
            Bars(
                f"coverage-{number}",
                f"Coverage of {known.level:.0%} intervals by {by}",
                tuple(Bar(s.segment, s.coverage) for s in some),
                known.level,
                "the level",
                percent=True,
            )
            for number, (by, some) in enumerate(groupby(known.segments, _KIND), 1)
        )

    @property
    def command(self) -> str:
        """The command that trains the same model again."""
        training = self.manifest.training
        arguments = ["modelport", "train", "--estimator", training.estimator]
        for name, value in training.parameters.items():
            written = str(value).lower() if value is None or isinstance(value, bool) else value
            arguments += ["--param", f"{name}={written}"]
        if training.features:
            arguments += ["--features", training.features]
        arguments += ["--seed", str(training.split.seed), "--holdout", str(training.split.holdout)]
        if training.split.validation:
            arguments += ["--validation", str(training.split.validation)]
        return shlex.join(arguments)

    @property
    def provenance(self) -> dict[str, str]:
        """The origin of the model by name; unknown facts are omitted."""
        data, code = self.manifest.data, self.manifest.code
        changed = " with uncommitted changes" if code.changed else ""
        libraries = sorted(self.manifest.libraries.items())
        known = {
            **self.facts,
            "data SHA-256": data.sha256,
            "data MD5 (DVC)": data.md5 or "",
            "code": f"{code.modelport} {code.revision}{changed}".strip(),
            "libraries": ", ".join(f"{name} {version}" for name, version in libraries),
            "parity check": f"largest relative deviation of the serving form: "
            f"{self.manifest.parity:.1e}",
        }
        return {name: value for name, value in known.items() if value}


def card_markdown(card: ModelCard, *, figures: bool = False) -> str:
    """Return the card in Markdown; with `figures` it shows charts, for `card_html`."""
    return render("model_card.md.j2", card=card, manifest=card.manifest, figures=figures)


def card_html(card: ModelCard) -> str:
    """Return the card as one HTML page."""
    figures = {figure.name: draw(figure) for figure in (*card.error_bars, *card.coverage_bars)}
    return html_page(card_markdown(card, figures=True), figures)


def render_reports(manifest: Manifest) -> dict[str, bytes]:
    """Return card and charts of a model that is not registered yet, by file name."""
    card = ModelCard(manifest)
    figures = {figure.name: draw(figure) for figure in (*card.error_bars, *card.coverage_bars)}
    pages = {"model-card.md": card_markdown(card), "model-card.html": card_html(card)}
    plots = {f"{name}.svg": drawn for name, drawn in figures.items()}
    return {name: text.encode() for name, text in (pages | plots).items()}
