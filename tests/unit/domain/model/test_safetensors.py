import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ArtefactRejected
from domain.model.safetensors import FLOAT64, INT32, UINT8, Types, read_tensors, write_tensors

TYPES: Types = {"counts": INT32, "weights": FLOAT64, "flags": UINT8}
ARRAYS = {
    "counts": np.array([3, -1], dtype=INT32),
    "weights": np.array([0.1, np.inf, -0.0]),
    "flags": np.array([1], dtype=UINT8),
}
WHOLE = write_tensors(ARRAYS)


def test_arrays_come_back_bit_for_bit() -> None:
    read = read_tensors(WHOLE, TYPES, "x")
    assert {*read} == {*ARRAYS}
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype
        assert read[name].tobytes() == array.tobytes()
        assert not read[name].flags.writeable


def test_the_bytes_do_not_depend_on_the_order_or_place_of_the_arrays() -> None:
    strided = {name: np.repeat(array, 2)[::2] for name, array in reversed(ARRAYS.items())}
    assert write_tensors(strided) == WHOLE


def test_it_is_the_safetensors_format() -> None:
    length = int.from_bytes(WHOLE[:8], "little")
    header = json.loads(WHOLE[8 : 8 + length])
    assert length % 8 == 0
    assert header == {
        "weights": {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]},
        "counts": {"dtype": "I32", "shape": [2], "data_offsets": [24, 32]},
        "flags": {"dtype": "U8", "shape": [1], "data_offsets": [32, 33]},
    }
    assert len(WHOLE) == 8 + length + 33


def with_header(header: object) -> bytes:
    text = json.dumps(header).encode()
    length = int.from_bytes(WHOLE[:8], "little")
    return len(text).to_bytes(8, "little") + text + WHOLE[8 + length :]


def header_with(**changes: object) -> bytes:
    header = json.loads(WHOLE[8 : 8 + int.from_bytes(WHOLE[:8], "little")])
    return with_header({**header, "counts": {**header["counts"], **changes}})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        WHOLE[:5],
        WHOLE[:20],
        WHOLE[:-1],
        WHOLE + b"\0",
        b"\xff" * 8 + WHOLE[8:],
        b"\0" * 8,
        with_header([]),
        with_header({}),
        with_header(None),
        header_with(dtype="F32"),
        header_with(shape=[2, 1]),
        header_with(shape=[]),
        header_with(shape=[-1]),
        header_with(shape=[True]),
        header_with(shape=[2.0]),
        header_with(shape=[10**30]),
        header_with(shape=None),
        header_with(shape=[3]),
        header_with(data_offsets=[0, 8]),
        header_with(extra=1),
        b"\x10\0\0\0\0\0\0\0" + b"[" * 16,
    ],
)
def test_what_is_not_whole_is_rejected_by_name(content: bytes) -> None:
    with pytest.raises(ArtefactRejected, match=r"trees\.x cannot be read"):
        read_tensors(content, TYPES, "trees.x")


def test_more_or_fewer_arrays_are_rejected() -> None:
    for types in ({**TYPES, "more": INT32}, {"counts": INT32}):
        with pytest.raises(ArtefactRejected):
            read_tensors(WHOLE, types, "x")


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_other_numbers_or_is_rejected(place: int, value: int) -> None:
    changed = WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :]
    try:
        read = read_tensors(changed, TYPES, "x")
    except ArtefactRejected:
        return
    assert {name: array.dtype for name, array in read.items()} == TYPES
    assert [len(read[name]) for name in TYPES] == [2, 3, 1]


@given(st.binary(max_size=200))
def test_any_bytes_are_rejected(content: bytes) -> None:
    with pytest.raises(ArtefactRejected):
        read_tensors(content, TYPES, "x")
