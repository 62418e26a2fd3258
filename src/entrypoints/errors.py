"""HTTP status and exit code of each domain error, and whether to try again."""

from dataclasses import dataclass
from http import HTTPStatus

from domain import errors


@dataclass(frozen=True, slots=True)
class ErrorOutcome:
    """What callers get; `retryable`: the same call may succeed later."""

    status: HTTPStatus
    exit_code: int
    retryable: bool
    title: str


DONE = 0
USAGE = 2
REFUSED = 3
INTERNAL = 70
INTERRUPTED = 130
TERMINATED = 143

OUTCOMES: dict[type[errors.ModelportError], ErrorOutcome] = {
    errors.InvalidRows: ErrorOutcome(HTTPStatus(422), 65, False, "Rows that break the schema"),
    errors.UnreadableData: ErrorOutcome(HTTPStatus(400), 65, False, "Data that cannot be read"),
    errors.ChecksumMismatch: ErrorOutcome(
        HTTPStatus(422), 65, False, "Data with the wrong checksum"
    ),
    errors.InvalidData: ErrorOutcome(HTTPStatus(422), 65, False, "Invalid data"),
    errors.TooLarge: ErrorOutcome(HTTPStatus(413), 65, False, "Too large"),
    errors.NotFound: ErrorOutcome(HTTPStatus(404), 66, False, "Not found"),
    errors.Unavailable: ErrorOutcome(HTTPStatus(503), 69, True, "Unavailable"),
    errors.NotSupported: ErrorOutcome(HTTPStatus(501), 69, False, "Not supported"),
    errors.Conflict: ErrorOutcome(HTTPStatus(409), 75, True, "Conflict"),
    errors.ArtefactRejected: ErrorOutcome(HTTPStatus(503), 77, False, "Model rejected"),
    errors.Misconfigured: ErrorOutcome(HTTPStatus(500), 78, False, "Wrong configuration"),
    errors.ModelportError: ErrorOutcome(HTTPStatus(500), INTERNAL, False, "Internal error"),
}


def outcome_of(error: errors.ModelportError) -> ErrorOutcome:
    """Return the outcome of the most specific class of an error."""
    return next(OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES)
