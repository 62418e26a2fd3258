from http import HTTPStatus

import pytest

from domain import errors
from entrypoints.errors import OUTCOMES, outcome_of

# The exit codes of the contract, which scripts rely on.
EXIT_CODES = {
    errors.InvalidData: 65,
    errors.UnreadableData: 65,
    errors.ChecksumMismatch: 65,
    errors.InvalidRows: 65,
    errors.TooLarge: 65,
    errors.NotFound: 66,
    errors.Unavailable: 69,
    errors.NotSupported: 69,
    errors.ModelportError: 70,
    errors.Conflict: 75,
    errors.ArtefactRejected: 77,
    errors.Misconfigured: 78,
}


def tree(root: type[errors.ModelportError]) -> set[type[errors.ModelportError]]:
    return {root}.union(*(tree(child) for child in root.__subclasses__()))


def domain_errors() -> set[type[errors.ModelportError]]:
    return {kind for kind in tree(errors.ModelportError) if kind.__module__ == errors.__name__}


def test_exactly_the_domain_errors_have_an_outcome() -> None:
    assert {*OUTCOMES} == domain_errors() == {*EXIT_CODES}


@pytest.mark.parametrize("kind", EXIT_CODES, ids=lambda kind: kind.__name__)
def test_exit_codes_are_those_of_the_contract(kind: type[errors.ModelportError]) -> None:
    assert OUTCOMES[kind].exit_code == EXIT_CODES[kind]


@pytest.mark.parametrize("kind", EXIT_CODES, ids=lambda kind: kind.__name__)
def test_an_outcome_is_an_http_error_with_a_title(kind: type[errors.ModelportError]) -> None:
    outcome = OUTCOMES[kind]
    assert HTTPStatus(outcome.status) >= 400
    assert outcome.title == outcome.title.capitalize()


def test_only_unavailable_and_conflict_are_retryable() -> None:
    retryable = {kind for kind, outcome in OUTCOMES.items() if outcome.retryable}
    assert retryable == {errors.Unavailable, errors.Conflict}


def test_a_subclass_has_the_outcome_of_its_parent() -> None:
    class Subclass(errors.NotFound):
        pass

    assert outcome_of(Subclass("not found")) is OUTCOMES[errors.NotFound]
    assert outcome_of(errors.InvalidRows([])) is OUTCOMES[errors.InvalidRows]
