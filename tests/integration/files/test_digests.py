"""Digests of a file that is read in blocks, on a thread beside the one that reads."""

import hashlib
from io import BytesIO

import pytest

from adapters.arrow.files import Digests


@pytest.mark.parametrize("size", [0, 1, 3 << 20, (3 << 20) + 1])
@pytest.mark.parametrize("block", [1 << 10, 1 << 20])
def test_digests_are_those_of_all_bytes_in_order(size: int, block: int) -> None:
    content = bytes(hashlib.shake_256(b"rows").digest(size))
    digests, pieces = Digests(BytesIO(content)), []
    while piece := digests.read(block):
        pieces.append(piece)
    assert b"".join(pieces) == content
    assert digests.sha256 == hashlib.sha256(content).hexdigest()
    assert digests.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_digests_of_what_nobody_looks_at() -> None:
    content = bytes(9 << 20)
    digests = Digests(BytesIO(content))
    digests.read_all()
    assert digests.sha256 == hashlib.sha256(content).hexdigest()
