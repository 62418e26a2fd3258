import inspect
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import errors
from domain.errors import InvalidRows, ModelportError, Violation


def _classes(root: type[ModelportError]) -> list[type[ModelportError]]:
    below = [found for child in root.__subclasses__() for found in _classes(child)]
    return [root, *below]


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn: list[tuple[str, int]] = []
    for line in (errors.__doc__ or "").splitlines():
        stem = line.lstrip("│├└─ ")
        if line.startswith(("├", "└", "│", "ModelportError")):
            drawn.append((stem.split()[0], (len(line) - len(stem)) // 4))
    defined = [
        (c.__name__, len(inspect.getmro(c)) - len(inspect.getmro(ModelportError)))
        for c in _classes(ModelportError)
        if c.__module__ == errors.__name__
    ]
    assert sorted(drawn) == sorted(defined)


def test_the_module_holds_errors_and_violations_only() -> None:
    public = [c for n, c in vars(errors).items() if inspect.isclass(c) and not n.startswith("_")]
    ours = [c for c in public if c.__module__ == errors.__name__]
    assert {c for c in ours if not issubclass(c, ModelportError)} == {Violation}


@pytest.mark.parametrize(
    ("count", "shown", "tail"),
    [(1, 1, ""), (3, 3, ""), (4, 3, "and 1 more"), (1000, 3, "and 997 more")],
)
def test_a_message_names_the_first_violations_and_counts_the_others(
    count: int, shown: int, tail: str
) -> None:
    violations = [Violation(row, "age", "is missing", "a number") for row in range(count)]
    error = InvalidRows(violations)
    lines = str(error).splitlines()
    assert lines[0] == f"{count:,} field{' breaks' if count == 1 else 's break'} the schema:"
    assert lines[1 : shown + 1] == [f"  {violation}" for violation in violations[:shown]]
    assert [line.strip() for line in lines[shown + 1 :]] == ([tail] if tail else [])
    assert error.violations == tuple(violations)


@given(st.integers(0, 10**9), st.text(min_size=1), st.text(), st.text())
def test_a_violation_names_row_field_problem_and_what_is_allowed(
    row: int, field: str, problem: str, allowed: str
) -> None:
    text = str(Violation(row, field, problem, allowed))
    assert text == f"row {row}, {field}: {problem}; allowed: {allowed}"


def test_a_violation_of_a_whole_row_names_no_field() -> None:
    violation = Violation(2, "", "is not an object", "an object with the fields a, b")
    assert str(violation) == "row 2 is not an object; allowed: an object with the fields a, b"


def test_an_error_survives_pickling() -> None:
    error = InvalidRows([Violation(3, "age", "is missing", "an integer")], 17)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.violations, copy.count) == (str(error), error.violations, 17)
