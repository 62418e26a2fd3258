"""A training specification as a file: which one a team has settled on, under version control."""

from collections.abc import Mapping
from typing import Any

from domain.data.mapping_reader import Reader
from domain.errors import Misconfigured
from domain.features.feature_set import FeatureSet
from domain.training.specification import Estimator, Parameter, TrainingSpec


def specification_from_mapping(mapping: object, where: str) -> TrainingSpec:
    """Read estimator, features and hyper-parameters; split and seed are those of each training.

    Raises:
        Misconfigured: a key is unknown or missing, or a value is of the wrong type; says where.
    """
    reader = Reader(mapping, where)
    estimator = reader.choice("estimator", Estimator)
    features = reader.choice("features", FeatureSet) if reader.has("features") else None
    parameters = reader.mapping_of("parameters") if reader.has("parameters") else {}
    reader.finish()
    for name, value in parameters.items():
        if not isinstance(value, bool | int | float | str):
            raise Misconfigured(f"{where}: parameters: {name}: expected a number, text or boolean")
    return TrainingSpec(estimator, parameters, features=features)


def specification_to_toml(spec: TrainingSpec, comment: str) -> str:
    """Return the file that `specification_from_mapping` reads, below lines of comment."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    lines += ["", f'estimator = "{spec.estimator}"']
    if spec.features is not None:
        lines.append(f'features = "{spec.features}"')
    if spec.parameters:
        lines += ["", "[parameters]", *(f"{n} = {_toml(v)}" for n, v in _known(spec).items())]
    return "\n".join(lines) + "\n"


def _known(spec: TrainingSpec) -> Mapping[str, Any]:
    """TOML has no word for nothing; what is not said has its default."""
    return {name: value for name, value in spec.parameters.items() if value is not None}


def _toml(value: Parameter) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)
