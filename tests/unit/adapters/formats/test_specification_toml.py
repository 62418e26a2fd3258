import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.specification_toml import SPECIFICATION, encode_specification
from domain.errors import Misconfigured
from domain.features.feature_set import FeatureSet
from domain.training.specification import Estimator, TrainingSpec

NAMES = st.from_regex("[a-z_]{1,8}", fullmatch=True)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)


@given(
    st.sampled_from(Estimator),
    st.one_of(st.none(), st.sampled_from(FeatureSet)),
    st.dictionaries(NAMES, VALUES),
)
def test_a_specification_is_read_as_it_was_written(
    estimator: Estimator, features: FeatureSet | None, parameters: dict[str, bool | float | str]
) -> None:
    spec = TrainingSpec(estimator, parameters, features=features)
    text = encode_specification(spec)
    assert text.startswith("# The default specification")
    assert SPECIFICATION.toml(text, "x.toml") == spec


def test_what_is_nothing_is_left_to_its_default() -> None:
    spec = TrainingSpec(Estimator.TREE, {"max_depth": None, "min_samples_leaf": 3})
    read = SPECIFICATION.toml(encode_specification(spec), "x.toml")
    assert read.parameters == {"min_samples_leaf": 3}


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({}, "estimator: is missing"),
        ({"estimator": "oracle"}, "'oracle' is not one of"),
        ({"estimator": "tree", "depth": 3}, "unknown key 'depth'"),
        ({"estimator": "tree", "features": "all"}, "'all' is not one of"),
        (
            {"estimator": "tree", "parameters": {"a": [1]}},
            "parameters.a: expected true or false or",
        ),
        (7, "expected a table"),
    ],
)
def test_what_is_no_specification_is_refused(mapping: object, said: str) -> None:
    with pytest.raises(Misconfigured, match=r"^x\.toml") as raised:
        SPECIFICATION.values(mapping, "x.toml")
    assert said in str(raised.value)
