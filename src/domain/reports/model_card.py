"""The model card: what somebody should know of a model before using it, as a document.

Everything follows from the manifest; words about the data come from the schema file.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from domain.data.schema import Schema
from domain.evaluation.assessment import Evaluation, SegmentErrors
from domain.features.feature_set import FeatureSet
from domain.model.manifest import Manifest
from domain.reports.document import Bar, Chart, Document, DocumentTable, Section
from domain.uncertainty.coverage import SegmentCoverage, Uncertainty

SIMULATED = (
    "This model was trained on simulated data. It shows that the program works, and says nothing "
    "about the real world."
)

_SPATIAL = (
    "Besides, the model is told what the nearest training rows are like, their target among it; in "
    "training never of the row itself. So its bundle holds values of training rows."
)


def model_card(manifest: Manifest, facts: Mapping[str, str] | None = None) -> Document:
    """Return the card of a model; `facts` are what its registry knows, such as version or run."""
    schema = manifest.schema
    unit = f" in {schema.target.unit}" if schema.target.unit else ""
    estimator = manifest.training.estimator.replace("_", " ")
    summary = (
        f"A {estimator} model that predicts {schema.target.name}{unit} "
        f"from {len(schema.features)} features. {_sentence(schema.description)}"
    )
    return Document(
        title=f"Model card: {(facts or {}).get('version', manifest.name)}",
        summary=(summary.strip(),),
        warning=SIMULATED if manifest.data.simulated else "",
        sections=tuple(_sections(manifest, facts or {})),
    )


def _sections(manifest: Manifest, facts: Mapping[str, str]) -> Iterator[Section]:
    yield from _use(manifest.schema)
    yield _data(manifest)
    yield _metrics(manifest)
    if manifest.evaluation:
        yield _errors(manifest, manifest.evaluation)
    if manifest.uncertainty:
        yield _uncertainty(manifest.uncertainty, manifest.schema.target.unit)
    yield _features(manifest.schema, manifest.training.features)
    yield _reproduction(manifest)
    yield _provenance(manifest, facts)


def _use(schema: Schema) -> Iterator[Section]:
    card = schema.card
    if card is not None:
        points = tuple(f"Not for: {use}" for use in card.out_of_scope)
        yield Section("Intended use", tuple(card.intended_use), points)


def _data(manifest: Manifest) -> Section:
    data, split = manifest.data, manifest.split
    learnt = 1 - split.holdout - split.validation
    sentences = [
        (
            f"{data.rows:,} rows, of which a seeded random {split.holdout:.0%} were held out to "
            f"judge by and {learnt:.0%} were learnt from."
        )
    ]
    card = manifest.schema.card
    if card is not None and card.source:
        sentences.insert(0, card.source)
    target = manifest.schema.target
    meaning = f"The target, {target.name}: {target.description}." if target.description else ""
    return Section(
        "Data and its limits",
        (*sentences, *([meaning] if meaning else [])),
        card.limits if card is not None else (),
    )


def _metrics(manifest: Manifest) -> Section:
    unit = manifest.schema.target.unit
    evaluation = manifest.evaluation
    words = {
        "rmse": ("RMSE", unit, "root of the mean squared error"),
        "mae": ("MAE", unit, "mean absolute error"),
        "r2": ("R²", "", "share of the variance that is explained"),
    }
    rows = []
    for key, (name, measure, meaning) in words.items():
        ends = getattr(evaluation.intervals, key) if evaluation else (None, None)
        rows.append((name, getattr(manifest.metrics, key), *ends, measure, meaning))
    sentences = [f"On {manifest.metrics.rows:,} hold-out rows that it did not learn from."]
    if evaluation:
        sentences.append(
            f"From and to are the ends of {evaluation.confidence:.0%} intervals by a bootstrap of "
            f"{evaluation.resamples:,} resamples."
        )
    header = ("metric", "value", "from", "to", "unit", "meaning")
    return Section(
        "Metrics", tuple(sentences), tables=(DocumentTable(header, tuple(rows), precise=True),)
    )


def _errors(manifest: Manifest, evaluation: Evaluation) -> Section:
    found = evaluation.segments
    rows = tuple((s.by, s.segment, s.rows, s.rmse, s.low, s.high, s.mae) for s in found)
    unit = f" ({manifest.schema.target.unit})" if manifest.schema.target.unit else ""
    return Section(
        "Where it errs",
        (
            (
                f"RMSE{unit} by part of the hold-out: fifths of the true value, categories, and "
                f"cells of the map where there are coordinates. Few rows make wide intervals."
            ),
        ),
        tables=(
            DocumentTable(
                ("by", "segment", "rows", "RMSE", "from", "to", "MAE"), rows, precise=True
            ),
        ),
        charts=tuple(
            Chart(
                f"RMSE{unit} by {by}",
                tuple(Bar(s.segment, s.rmse, s.low, s.high) for s in found if s.by == by),
                manifest.metrics.rmse,
            )
            for by in _kinds(found)
        ),
    )


def _uncertainty(known: Uncertainty, unit: str) -> Section:
    level = f"{known.level:.0%}"
    measure = f" {unit}" if unit else ""
    sentences = (
        (
            f"{known.method.capitalize()}. On the hold-out, {known.coverage:.2%} of the true "
            f"values lie in their {level} interval, which is {known.width:,.0f}{measure} wide "
            f"on average: {known.narrower:.0%} narrower than intervals of constant width that "
            f"cover as many."
        ),
        known.guarantee,
    )
    levels = tuple((e.level, e.coverage, e.width) for e in known.levels)
    found = known.segments
    rows = tuple((s.by, s.segment, s.rows, s.coverage, s.width) for s in found)
    charts = tuple(
        Chart(
            f"Coverage of {level} intervals by {by}",
            tuple(Bar(s.segment, s.coverage) for s in found if s.by == by),
            known.level,
            percent=True,
        )
        for by in _kinds(found)
    )
    tables = (
        DocumentTable(("level", "coverage", "mean width"), levels, precise=True),
        DocumentTable(("by", "segment", "rows", "coverage", "mean width"), rows, precise=True),
    )
    return Section("Uncertainty", sentences, tables=tables, charts=charts)


def _kinds(found: Sequence[SegmentErrors | SegmentCoverage]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(segment.by for segment in found))


def _features(schema: Schema, kind: FeatureSet | None) -> Section:
    rows = tuple((f.name, f.allowed, f.description) for f in schema.features)
    tables = [DocumentTable(("feature", "allowed", "meaning"), rows)]
    if schema.ratios:
        derived = tuple((r.name, f"{r.numerator} / {r.denominator}") for r in schema.ratios)
        tables.append(DocumentTable(("derived", "is"), derived))
    sentences = (_SPATIAL,) if kind is FeatureSet.SPATIAL else ()
    return Section("Features", sentences, tables=tuple(tables))


def _reproduction(manifest: Manifest) -> Section:
    code = manifest.code
    revision = f"revision {code.revision[:12]} of the code"
    changed = " (which had changes that are not committed)" if code.changed else ""
    return Section(
        "How to reproduce it",
        (
            (
                f"With {revision}{changed}, the libraries below and the data whose SHA-256 is "
                f"below, one command makes the same bundle, byte for byte:"
            ),
        ),
        command=train_command(manifest),
    )


def train_command(manifest: Manifest) -> str:
    """Return the command that trains this model again."""
    training, split = manifest.training, manifest.split
    words = ["modelport", "train", "--estimator", training.estimator.value]
    for name, value in training.parameters.items():
        words += ["--param", f"{name}={_value(value)}"]
    if training.features:
        words += ["--features", training.features.value]
    words += ["--seed", str(split.seed), "--holdout", str(split.holdout)]
    if split.validation:
        words += ["--validation", str(split.validation)]
    return shlex.join(words)


def _value(value: object) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _provenance(manifest: Manifest, facts: Mapping[str, str]) -> Section:
    data, code = manifest.data, manifest.code
    changed = " and changes" if code.changed else ""
    known: dict[str, str] = {
        **facts,
        "data SHA-256": data.sha256,
        "data MD5 (DVC)": data.md5 or "",
        "code": f"{code.modelport} {code.revision}{changed}".strip(),
        "libraries": ", ".join(f"{name} {v}" for name, v in sorted(manifest.libraries.items())),
        "serving form": f"differs from the trained estimator by {manifest.parity:.1e} at most",
    }
    rows = tuple((name, value) for name, value in known.items() if value)
    return Section("Provenance", tables=(DocumentTable(("what", "value"), rows),))


def _sentence(text: str) -> str:
    return text and f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
