from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.model.signature import detail, key_id, message, signatures


@given(st.binary(min_size=1), st.binary())
def test_a_signature_comes_back_from_the_details(key: bytes, signature: bytes) -> None:
    details = {"estimator": "ridge", **detail(key_id(key), signature)}
    assert signatures(details) == {key_id(key): signature}


def test_signatures_of_several_keys_stand_beside_each_other() -> None:
    one, other = key_id(b"one"), key_id(b"other")
    assert signatures({**detail(one, b"1"), **detail(other, b"2")}) == {one: b"1", other: b"2"}


@pytest.mark.parametrize("text", ["", "not base64", "é", "YQ", "=" * 8])
def test_a_garbled_signature_is_empty(text: str) -> None:
    assert signatures({f"signature.{key_id(b'k')}": text}) == {key_id(b"k"): b""}


@pytest.mark.parametrize("name", ["signature", "signature.", "signature.XYZ", "a.signature.0"])
def test_other_details_are_no_signatures(name: str) -> None:
    assert signatures({name: b64encode(b"s").decode()}) == {}


def test_what_is_signed_says_what_for_and_which_bundle() -> None:
    assert message("ab" * 32) == b"modelport bundle 1\n" + b"ab" * 32
    assert message("ab" * 32) != message("ba" * 32)
