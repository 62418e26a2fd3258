import pytest

from domain.errors import Misconfigured
from entrypoints.cli.options import parse_parameters


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("-3", -3),
        ("0.1", 0.1),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("none", None),
        ("sqrt", "sqrt"),
        ("", ""),
        ("a=b", "a=b"),
    ],
)
def test_a_parameter_is_parsed_by_its_form(text: str, value: object) -> None:
    (parsed,) = parse_parameters([f"max_features={text}"]).values()
    assert parsed == value
    assert type(parsed) is type(value)


def test_parameters_are_kept_by_name() -> None:
    assert parse_parameters(["alpha=1", "tol=0.5"]) == {"alpha": 1, "tol": 0.5}


@pytest.mark.parametrize("pair", ["alpha", "=1", "a b=1", "1a=2", ""])
def test_a_parameter_without_a_value_is_refused(pair: str) -> None:
    with pytest.raises(Misconfigured, match="not of the form name=value"):
        parse_parameters([pair])


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(Misconfigured, match="--param alpha is given twice"):
        parse_parameters(["alpha=1", "alpha=2"])
