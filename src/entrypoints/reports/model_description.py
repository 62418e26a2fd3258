"""The description of a model: the JSON of `models show --json` and `GET /model`."""

from typing import Any

from application.model.load_model import LoadedModel
from domain.canonical_json import json_value
from domain.data.schema import Schema
from domain.model.signature import signatures
from domain.numbers import readable
from domain.uncertainty.conformal import FEWEST_ROWS
from domain.uncertainty.coverage import Uncertainty


def describe_model(model: LoadedModel) -> dict[str, Any]:
    """Return the manifest of a loaded model, with the facts of its registered version."""
    version, manifest = model.version, model.manifest
    schema = manifest.schema
    return {
        "model": version.label,
        "aliases": sorted(version.aliases),
        "bundle": version.bundle_id,
        "created_at": version.created_at.isoformat(),
        "signed_by": sorted(signatures(version.details)),
        "description": schema.description,
        "target": {"name": schema.target.name, "unit": schema.target.unit},
        "metrics": json_value(manifest.metrics),
        "uncertainty": json_value(manifest.uncertainty),
        "training": manifest.training.to_mapping(),
        "data": json_value(manifest.data),
        "features": describe_features(schema),
        "derived": [
            {"name": ratio.name, "is": f"{ratio.numerator} / {ratio.denominator}"}
            for ratio in schema.ratios
        ],
        "evaluation": json_value(manifest.evaluation),
        "parity": manifest.parity,
        "code": json_value(manifest.code),
        "libraries": dict(manifest.libraries),
        "origin": {
            key: version.details[key] for key in ("data.uri", "run") if key in version.details
        },
    }


def describe_intervals(uncertainty: Uncertainty | None, training_rows: int) -> str:
    """Return coverage and width of the intervals of a model, or why it has none, in one line."""
    if uncertainty is None and training_rows < FEWEST_ROWS:
        return f"none: {training_rows} training rows are too few, calibration needs {FEWEST_ROWS}"
    if uncertainty is None:
        return "none"
    less = "less" if uncertainty.narrower >= 0 else "more"
    return (
        f"{uncertainty.level:.0%} intervals: coverage {uncertainty.coverage:.1%} on the hold-out, "
        f"mean width {readable(uncertainty.width)}, "
        f"{abs(uncertainty.narrower):.1%} {less} than intervals of constant width"
    )


def describe_features(schema: Schema) -> list[dict[str, str]]:
    """Return name, kind, allowed values and description of each feature."""
    return [
        {
            "name": feature.name,
            "kind": feature.kind.value,
            "allowed": feature.allowed,
            "description": feature.description,
        }
        for feature in schema.features
    ]
