from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from domain.data.table import plain
from domain.errors import InvalidData
from entrypoints.http.protocols.open_inference.tensors import (
    DATATYPES,
    NUMBERS,
    from_bytes,
    from_json,
)
from tests.support.strategies import WORDS
from tests.unit.entrypoints.http.protocols.wire import LETTERS, packed

SECRET = "SESAME"


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, Any]:
    datatype = draw(st.sampled_from([*NUMBERS]))
    return datatype, draw(npst.arrays(NUMBERS[datatype], st.integers(0, 20)))


def raw(content: bytes) -> memoryview:
    return memoryview(content)


def test_every_datatype_of_the_protocol_but_bf16_is_known() -> None:
    assert {*DATATYPES} == {*LETTERS, "BYTES"}


@given(arrays(), st.binary(max_size=7))
def test_numbers_in_bytes_are_read_as_they_were_written(case: Any, before: bytes) -> None:
    datatype, array = case
    content = raw(before + array.tobytes())[len(before) :]
    read = from_bytes(content, datatype, len(array), "x")
    assert isinstance(read, np.ndarray)
    assert read.tobytes() == array.tobytes()
    assert not read.flags.owndata


@given(arrays())
def test_numbers_in_json_are_those_in_bytes(case: Any) -> None:
    datatype, array = case
    read = from_json(array.tolist(), datatype, [len(array)], "x")
    np.testing.assert_array_equal(plain(read), array, strict=True)


@given(st.lists(WORDS, max_size=20))
def test_texts_are_read_as_they_were_written(texts: list[str]) -> None:
    in_bytes = from_bytes(raw(packed("BYTES", texts)), "BYTES", len(texts), "x")
    assert plain(in_bytes).tolist() == texts
    assert plain(from_json(texts, "BYTES", [len(texts)], "x")).tolist() == texts


@given(st.lists(st.booleans(), max_size=20))
def test_booleans_are_read_as_they_were_written(flags: list[bool]) -> None:
    in_bytes = from_bytes(raw(packed("BOOL", flags)), "BOOL", len(flags), "x")
    in_json = from_json(flags, "BOOL", [len(flags)], "x")
    for read in (in_bytes, in_json):
        np.testing.assert_array_equal(plain(read), np.array(flags, dtype=bool), strict=True)


@pytest.mark.parametrize("datatype", ["FP64", "INT8", "UINT64", "BOOL", "BYTES"])
def test_null_is_missing(datatype: str) -> None:
    value = {"BOOL": True, "BYTES": "a"}.get(datatype, 1)
    read = plain(from_json([value, None], datatype, [2], "x")).tolist()
    assert read[0] == value
    assert read[1] is None or np.isnan(read[1])


def test_a_number_out_of_the_range_of_its_datatype_is_infinite_as_a_float() -> None:
    assert plain(from_json([1e300, -1e300, 1], "FP32", [3], "x")).tolist() == [np.inf, -np.inf, 1.0]


@pytest.mark.parametrize(
    ("data", "datatype", "shape", "message"),
    [
        ([1.5], "INT64", [1], "x, element 0: is not an integer, as INT64 needs"),
        ([1, True], "FP32", [2], "x, element 1: is not a number, as FP32 needs"),
        ([1, SECRET], "FP64", [2], "x, element 1: is not a number, as FP64 needs"),
        ([1, [2]], "FP64", [2], "x, element 1: is not a number, as FP64 needs"),
        ([0], "BOOL", [1], "x, element 0: is not true or false, as BOOL needs"),
        ([1], "BYTES", [1], "x, element 0: is not a text, as BYTES needs"),
        ([[["a"]]], "BYTES", [1, 1], "x, element 0: is not a text, as BYTES needs"),
        ([{}], "BYTES", [1], "x, element 0: is not a text, as BYTES needs"),
        ([0, 128], "INT8", [2], "x, element 1: is out of the range of INT8"),
        ([None, -129], "INT8", [2], "x, element 1: is out of the range of INT8"),
        ([-1], "UINT64", [1], "x, element 0: is out of the range of UINT64"),
        ([2**63], "INT64", [1], "x, element 0: is out of the range of INT64"),
        ([10**400], "INT64", [1], "x, element 0: is out of the range of INT64"),
        ([0.5, 10**400], "FP16", [2], "x, element 1: is out of the range of FP16"),
        ([1, 2], "FP64", [3], "x: 2 elements where its shape has 3"),
        ([], "FP64", [1], "x: 0 elements where its shape has 1"),
        ([1, 2, 3], "FP64", [2, 2], "x: 3 elements where its shape has 4"),
        ([[1], [2]], "FP64", [2], "x: the lists inside data do not have its shape"),
        ([[1], [2, 3]], "FP64", [2, 1], "x: the lists inside data do not have its shape"),
        ([[1], 2], "FP64", [2, 1], "x: the lists inside data do not have its shape"),
        ([[1, 2]], "FP64", [2, 1], "x: the lists inside data do not have its shape"),
    ],
)
def test_invalid_elements_in_json_are_explained(
    data: Sequence[Any], datatype: str, shape: Sequence[int], message: str
) -> None:
    with pytest.raises(InvalidData) as refused:
        from_json(data, datatype, shape, "x")
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("content", "datatype", "message"),
    [
        (b"1234567", "FP64", "x: 7 bytes where its shape and datatype FP64 need 16"),
        (bytes(17), "FP64", "x: 17 bytes where its shape and datatype FP64 need 16"),
        (b"", "BOOL", "x: 0 bytes where its shape and datatype BOOL need 2"),
        (b"\x01\x02", "BOOL", "x, element 1: is not a boolean; allowed: a byte 0 or 1"),
        (packed("BYTES", ["a"]), "BYTES", "x: 1 elements where its shape has 2"),
        (packed("BYTES", ["a", "b", "c"]), "BYTES", "x: more elements where its shape has 2"),
        (
            packed("BYTES", ["a", "b"])[:-1],
            "BYTES",
            "x, element 1: ends after the end of the tensor",
        ),
        (
            packed("BYTES", ["a", "b"])[:-2],
            "BYTES",
            "x, element 1: ends after the end of the tensor",
        ),
        (b"\xff\xff\xff\xffab", "BYTES", "x, element 0: ends after the end of the tensor"),
        (packed("BYTES", ["a", b"\xff"]), "BYTES", "x, element 1: is not UTF-8"),
    ],
)
def test_invalid_elements_in_bytes_are_explained(
    content: bytes, datatype: str, message: str
) -> None:
    with pytest.raises(InvalidData) as refused:
        from_bytes(raw(content), datatype, 2, "x")
    assert str(refused.value) == message


@given(st.sampled_from(DATATYPES), st.integers(0, 5), st.binary(max_size=30))
def test_any_bytes_are_a_tensor_or_refused(datatype: str, count: int, content: bytes) -> None:
    try:
        assert len(from_bytes(raw(content), datatype, count, "x")) == count
    except InvalidData:
        assert content or count
