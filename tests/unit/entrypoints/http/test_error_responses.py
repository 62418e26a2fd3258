import json
from http import HTTPStatus

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from domain import errors
from entrypoints.errors import OUTCOMES
from entrypoints.http.error_responses import error_response, problem
from entrypoints.http.route_table import Protocol


def native(error: Exception) -> JSONResponse:
    return error_response(Protocol.NATIVE, error)


@pytest.mark.parametrize("kind", OUTCOMES, ids=lambda kind: kind.__name__)
def test_every_error_is_a_problem_document(kind: type[errors.ModelportError]) -> None:
    error = errors.InvalidRows([]) if kind is errors.InvalidRows else kind("it went wrong")
    answer = native(error)
    document = json.loads(bytes(answer.body))
    assert answer.media_type == "application/problem+json"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == document["status"] == OUTCOMES[kind].status
    assert document["type"] == "about:blank"
    assert document["title"] == OUTCOMES[kind].title
    assert document["detail"]


def test_rows_that_break_the_schema_are_listed_by_field() -> None:
    violations = [errors.Violation(2, "age", "is missing", "a number")]
    document = json.loads(bytes(native(errors.InvalidRows(violations)).body))
    assert document["detail"] == "1 field of the request breaks the schema"
    assert document["errors"] == [
        {"row": 2, "field": "age", "problem": "is missing", "allowed": "a number"}
    ]


def test_of_very_many_violations_the_first_are_listed() -> None:
    violations = [errors.Violation(row, "age", "is missing", "a number") for row in range(5_000)]
    document = json.loads(bytes(native(errors.InvalidRows(violations)).body))
    assert document["detail"].startswith("5000 fields of the request break the schema; the first")
    assert [entry["row"] for entry in document["errors"]] == [*range(100)]


@pytest.mark.parametrize("status", [HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS])
def test_a_temporary_error_says_when_to_try_again(status: HTTPStatus) -> None:
    assert int(problem(status, "t", "d").headers["retry-after"]) > 0
    assert "retry-after" not in problem(HTTPStatus.UNPROCESSABLE_ENTITY, "t", "d").headers


def test_an_internal_error_is_logged_and_not_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = native(ZeroDivisionError("secret"))
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert b"secret" not in bytes(answer.body)
    assert "ZeroDivisionError: secret" in caplog.text


def test_an_unknown_path_is_a_problem_too() -> None:
    answer = native(HTTPException(HTTPStatus.NOT_FOUND, headers={"X-Why": "because"}))
    assert json.loads(bytes(answer.body))["title"] == "Not Found"
    assert answer.headers["x-why"] == "because"
