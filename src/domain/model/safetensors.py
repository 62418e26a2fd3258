"""Named arrays in a file of the safetensors format: numbers and their shapes, nothing executable.

    8 bytes   length of the header, little-endian
    header    JSON: name -> {"dtype", "shape", "data_offsets": [begin, end]}, padded with spaces
    data      the arrays one after another, little-endian, in C order, without gaps

The order of the arrays follows from their types and names, so equal arrays give equal bytes. Only
arrays of one dimension are written and read.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.errors import ArtefactRejected

Array: TypeAlias = NDArray[Any]
Types: TypeAlias = Mapping[str, np.dtype[Any]]

FLOAT64, INT32, UINT8 = np.dtype("<f8"), np.dtype("<i4"), np.dtype("u1")

_NAMES = {FLOAT64: "F64", INT32: "I32", UINT8: "U8"}
_LENGTH_BYTES = 8
_ALIGNMENT = 8


def write_tensors(arrays: Mapping[str, Array]) -> bytes:
    """Return the file that holds these arrays."""
    types = {name: array.dtype for name, array in arrays.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    header = json.dumps(_header(types, lengths), separators=(",", ":")).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    data = [arrays[name].tobytes() for name in _in_order(types)]
    return b"".join([len(header).to_bytes(_LENGTH_BYTES, "little"), header, *data])


def read_tensors(content: bytes, types: Types, source: str) -> dict[str, Array]:
    """Return exactly the arrays that are expected; they cannot be written to.

    Raises:
        ArtefactRejected: the file is truncated, or holds anything else; names the `source`.
    """
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    try:
        header = json.loads(content[_LENGTH_BYTES:start])
        lengths = {name: _length(header[name]["shape"]) for name in types}
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ArtefactRejected(f"{source} cannot be read: {error!r}") from error
    size = sum(lengths[name] * dtype.itemsize for name, dtype in types.items())
    if header != _header(types, lengths) or len(content) != start + size:
        raise ArtefactRejected(f"{source} cannot be read: it does not hold {', '.join(types)}")
    arrays = {}
    for name in _in_order(types):
        arrays[name] = np.frombuffer(content, types[name], lengths[name], start)
        start += arrays[name].nbytes
    return arrays


def _length(shape: Any) -> int:
    (length,) = shape
    if type(length) is not int or length < 0:
        raise ValueError("a length is not a number from 0 up")
    return length


def _header(types: Types, lengths: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    header, begin = {}, 0
    for name in _in_order(types):
        end = begin + lengths[name] * types[name].itemsize
        header[name] = {
            "dtype": _NAMES[types[name]],
            "shape": [lengths[name]],
            "data_offsets": [begin, end],
        }
        begin = end
    return header


def _in_order(types: Types) -> list[str]:
    return sorted(types, key=lambda name: (-types[name].itemsize, name))
