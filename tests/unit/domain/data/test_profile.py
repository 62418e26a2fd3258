import numpy as np

from domain.canonical_json import json_bytes
from domain.data.feature import Feature, Kind
from domain.data.profile import profile
from domain.data.schema import Schema, Target

NAN = float("nan")
SCHEMA = Schema(
    "houses",
    Target("price"),
    (
        Feature("rooms", Kind.NUMBER, nullable=True),
        Feature("place", Kind.CATEGORY, categories=("sea", "land", "air"), nullable=True),
        Feature("new", Kind.BOOLEAN, nullable=True),
    ),
)


def test_numbers_are_described_by_quantiles_and_categories_by_counts() -> None:
    rooms = np.arange(21.0)
    matrix = np.column_stack([rooms, rooms % 2, rooms > 10])
    sketch = profile(SCHEMA, matrix, rooms * 10)
    assert sketch["rows"] == 21
    assert sketch["features"]["rooms"] == {"missing": 0, "quantiles": rooms.tolist()}
    assert sketch["features"]["place"] == {
        "missing": 0,
        "counts": {"sea": 11, "land": 10, "air": 0},
    }
    assert sketch["features"]["new"]["quantiles"] == [0.0] * 11 + [1.0] * 10
    assert sketch["prediction"]["quantiles"] == (rooms * 10).tolist()


def test_missing_values_are_counted_and_otherwise_left_out() -> None:
    matrix = np.array([[NAN, NAN, NAN], [4.0, 2.0, NAN], [4.0, NAN, NAN]])
    features = profile(SCHEMA, matrix, np.zeros(3))["features"]
    assert features["rooms"] == {"missing": 1, "quantiles": [4.0] * 21}
    assert features["place"] == {"missing": 2, "counts": {"sea": 0, "land": 0, "air": 1}}
    assert features["new"] == {"missing": 3, "quantiles": []}


def test_a_profile_is_small_and_can_be_written_as_json() -> None:
    matrix = np.column_stack([np.linspace(0, 1, 10_000), np.zeros(10_000), np.ones(10_000)])
    assert len(json_bytes(profile(SCHEMA, matrix, matrix[:, 0]))) < 5_000
