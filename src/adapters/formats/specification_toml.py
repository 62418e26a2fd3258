"""The specification that a team has chosen, in a TOML file next to the schema file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from adapters.files.atomic_writes import os_errors_as_unavailable, replace_file
from adapters.formats.decoding import Decoder, read_as
from domain.errors import Misconfigured
from domain.features.feature_set import FeatureSet
from domain.training.specification import Estimator, TrainingSpec

_COMMENT = """\
The default specification of `modelport train` for this schema.
`modelport experiments run` compares it with others; `--update` replaces it by the best one."""


@dataclass(frozen=True, slots=True)
class _SpecificationTable:
    """Split and seed are those of each training."""

    estimator: Estimator
    features: FeatureSet | None = None
    parameters: Mapping[str, bool | int | float | str] = field(default_factory=dict)

    def build(self) -> TrainingSpec:
        return TrainingSpec(self.estimator, self.parameters, features=self.features)


SPECIFICATION = Decoder[TrainingSpec](
    Annotated[TrainingSpec, read_as(_SpecificationTable, _SpecificationTable.build)]
)


def specification_path(schema_file: Path) -> Path:
    """Return the path of the specification for a schema file: `x.champion.toml` for `x.toml`."""
    return schema_file.with_suffix(".champion.toml")


def read_specification(path: Path) -> TrainingSpec | None:
    """Return the specification of a file; None if the file does not exist.

    Raises:
        Misconfigured: the file cannot be read or is not a specification; names the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from error
    return SPECIFICATION.toml(text, str(path))


def write_specification(path: Path, spec: TrainingSpec) -> None:
    """Replace the specification in a file, or create the file.

    Raises:
        Unavailable: it cannot be written.
    """
    with os_errors_as_unavailable(path):
        replace_file(path, encode_specification(spec).encode())


def encode_specification(spec: TrainingSpec) -> str:
    """Return the TOML of a specification; parameters that are None keep their default."""
    lines = [f"# {line}" for line in _COMMENT.splitlines()]
    lines += ["", f'estimator = "{spec.estimator}"']
    if spec.features is not None:
        lines.append(f'features = "{spec.features}"')
    known = {name: value for name, value in spec.parameters.items() if value is not None}
    if known:
        # A JSON scalar without surrogates is a TOML value, and means the same.
        pairs = ((name, json.dumps(value, ensure_ascii=False)) for name, value in known.items())
        lines += ["", "[parameters]", *(f"{name} = {value}" for name, value in pairs)]
    return "\n".join(lines) + "\n"
