"""The specification that a team has settled on, beside the schema file it is for."""

import tomllib
from pathlib import Path

from adapters.files.atomic_writes import os_errors_as_unavailable, replace_file
from domain.errors import Misconfigured
from domain.training.specification import TrainingSpec
from domain.training.specification_mapping import specification_from_mapping, specification_to_toml

_COMMENT = """\
What `modelport train` trains for this schema, if nothing else is asked for.
`modelport experiments run` says whether it is still the best; `--update` writes what was chosen."""


def specification_path(schema_file: Path) -> Path:
    """Return where the specification for a schema file stands: `x.champion.toml` for `x.toml`."""
    return schema_file.with_suffix(".champion.toml")


def read_specification(path: Path) -> TrainingSpec | None:
    """Return the specification of a file; None where there is no file.

    Raises:
        Misconfigured: the file cannot be read or is no specification; says where.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from error
    try:
        mapping = tomllib.loads(text)
    except ValueError as error:
        raise Misconfigured(f"{path}: not TOML: {error}") from error
    return specification_from_mapping(mapping, str(path))


def write_specification(path: Path, spec: TrainingSpec) -> None:
    """Write a specification in place of the one that is there.

    Raises:
        Unavailable: it cannot be written.
    """
    with os_errors_as_unavailable(path):
        replace_file(path, specification_to_toml(spec, _COMMENT).encode())
