"""Results of experiments as JSON documents."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from adapters.formats.decoding import read_as
from adapters.formats.manifest_file import Training
from domain.canonical_json import json_value
from domain.errors import InvalidData, Misconfigured
from domain.experiments.results import ExperimentResults, SeedResults, StepResult
from domain.experiments.step_selection import StepDecision
from domain.training.cross_validation import CrossValidation

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _DecisionTable(StepDecision):
    reason: Annotated[str, Field(alias="words")]


@dataclass(frozen=True, slots=True)
class _StepTable(StepResult):
    training: Training
    decision: Annotated[_DecisionTable, Field(alias="verdict")]


@dataclass(frozen=True, slots=True)
class _ExperimentsFile(ExperimentResults):
    steps: Sequence[_StepTable]
    specification: Training


@dataclass(frozen=True, slots=True)
class _SeedsFile(SeedResults):
    specification: Training


@dataclass(frozen=True, slots=True, eq=False)
class _CrossValidationFile(CrossValidation):
    predictions: Annotated[Any, read_as(list[float], np.array)]


_FILES: dict[type, type] = {
    ExperimentResults: _ExperimentsFile,
    SeedResults: _SeedsFile,
    CrossValidation: _CrossValidationFile,
}


def decode_result(content: bytes | str, form: type[Result]) -> Result | None:
    """Return the object that `encode_result` wrote; None if the content is not of this form."""
    adapter = TypeAdapter[Result](_FILES.get(form, form))
    try:
        return adapter.validate_json(content, strict=True, extra="forbid")
    except (ValidationError, InvalidData, Misconfigured):
        return None


def encode_result(document: object) -> bytes:
    """Return one line of JSON."""
    return json.dumps(json_value(document), allow_nan=False).encode() + b"\n"
