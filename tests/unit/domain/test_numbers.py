import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.numbers import readable, rounded


@pytest.mark.parametrize(
    ("value", "shown", "short"),
    [
        (38186.434, "38,186.43", "38,186"),
        (0.88912, "0.8891", "0.889"),
        (9.5, "9.5000", "9.5"),
        (0.0, "0.0000", "0"),
        (0.00001234567, "1.2346e-05", "1.23e-05"),
        (0.012345678, "0.012346", "0.0123"),
        (-0.00012345678, "-0.00012346", "-0.000123"),
        (8951519711581562880.0, "8.9515e+18", "8.95e+18"),
        (999_999_999_999.0, "999,999,999,999.00", "999,999,999,999"),
        (float("nan"), "nan", "nan"),
    ],
)
def test_numbers_have_significant_digits_at_every_scale(
    value: float, shown: str, short: str
) -> None:
    assert readable(value) == shown
    assert rounded(value) == short


def test_a_sign_may_be_shown() -> None:
    assert [readable(value, "+") for value in (12.0, -12.0, 1e-9)] == ["+12.00", "-12.00", "+1e-09"]


@given(st.floats(1e-300, 1e300))
def test_a_number_is_recognised_and_short(value: float) -> None:
    for text, tolerance in ((readable(value), 1e-3), (rounded(value), 0.05)):
        assert float(text.replace(",", "")) == pytest.approx(value, rel=tolerance)
        assert len(text) <= 18
