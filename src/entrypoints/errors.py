"""How each domain error leaves the program: HTTP status, exit code, whether to try again."""

from dataclasses import dataclass
from http import HTTPStatus

from domain import errors


@dataclass(frozen=True, slots=True)
class Outcome:
    """What callers are told; `retryable`: the same call may succeed later."""

    status: HTTPStatus
    exit_code: int
    retryable: bool
    title: str


DONE = 0
USAGE = 2
REFUSED = 3
INTERNAL = 70
INTERRUPTED = 130

OUTCOMES: dict[type[errors.ModelportError], Outcome] = {
    errors.InvalidRows: Outcome(
        HTTPStatus.UNPROCESSABLE_ENTITY, 65, False, "Rows that break the schema"
    ),
    errors.UnreadableData: Outcome(HTTPStatus.BAD_REQUEST, 65, False, "Data that cannot be read"),
    errors.ChecksumMismatch: Outcome(
        HTTPStatus.UNPROCESSABLE_ENTITY, 65, False, "Data with the wrong checksum"
    ),
    errors.InvalidData: Outcome(HTTPStatus.UNPROCESSABLE_ENTITY, 65, False, "Invalid data"),
    errors.TooLarge: Outcome(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 65, False, "Too large"),
    errors.NotFound: Outcome(HTTPStatus.NOT_FOUND, 66, False, "Not found"),
    errors.Unavailable: Outcome(HTTPStatus.SERVICE_UNAVAILABLE, 69, True, "Unavailable"),
    errors.NotSupported: Outcome(HTTPStatus.NOT_IMPLEMENTED, 69, False, "Not supported"),
    errors.Conflict: Outcome(HTTPStatus.CONFLICT, 75, True, "Conflict"),
    errors.ArtefactRejected: Outcome(HTTPStatus.SERVICE_UNAVAILABLE, 77, False, "Model rejected"),
    errors.Misconfigured: Outcome(
        HTTPStatus.INTERNAL_SERVER_ERROR, 78, False, "Wrong configuration"
    ),
    errors.ModelportError: Outcome(
        HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL, False, "Internal error"
    ),
}


def outcome_of(error: errors.ModelportError) -> Outcome:
    """Return the outcome of the most specific class of an error."""
    return next(OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES)
