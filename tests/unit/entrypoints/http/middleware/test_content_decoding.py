"""Compressed bodies on every endpoint that takes one, with the fast path and without."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from domain.errors import TooLarge, UnreadableData
from entrypoints.http.app import Application
from entrypoints.http.middleware.content_decoding import unpack
from entrypoints.wiring.settings import Accelerators
from tests.support.orchard import planted
from tests.support.samples import SCHEMA
from tests.support.waiting import wait_until
from tests.unit.entrypoints.http.protocols.wire import HEADER, as_binary, as_csv, as_json, tensors

MAX_BYTES = 40_000
ROWS = [SCHEMA.example] * 3
V2 = as_json(tensors(SCHEMA, ROWS, binary=False))
BINARY = as_binary(tensors(SCHEMA, ROWS, binary=True))
JSON = {"content-type": "application/json"}
INFER = "/v2/models/orchard/infer"
REQUESTS: list[tuple[str, bytes, dict[str, str]]] = [
    ("/predict", json.dumps({"data": ROWS}).encode(), JSON),
    (INFER, V2.content, JSON),
    (INFER, BINARY.content, {HEADER: str(BINARY.header)}),
    ("/invocations", json.dumps({"dataframe_records": ROWS}).encode(), JSON),
    ("/invocations", as_csv(SCHEMA.names, ROWS), {"content-type": "text/csv"}),
]
ENDPOINTS = ["/predict", "/explain", INFER, "/invocations"]


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def in_members(content: bytes) -> bytes:
    return gzip.compress(content[:20]) + gzip.compress(content[20:])


PACKED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("GZip", gzip.compress),
    ("x-gzip", in_members),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("identity", bytes),
    ("identity, gzip", gzip.compress),
]


@pytest.fixture(scope="module", params=Accelerators)
def client(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    wired = planted(max_body_bytes=MAX_BYTES, accelerators=request.param)
    with TestClient(Application(wired), raise_server_exceptions=False) as client:
        wait_until(lambda: client.get("/ping").is_success, 20, lambda: "it is not ready")
        yield client


@pytest.mark.parametrize(("path", "content", "headers"), REQUESTS)
@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_a_compressed_body_is_answered_as_the_plain_one(
    client: TestClient,
    path: str,
    content: bytes,
    headers: dict[str, str],
    encoding: str,
    pack: Callable[[bytes], bytes],
) -> None:
    plain = client.post(path, content=content, headers=headers)
    assert plain.status_code == 200, plain.text
    headers = {**headers, "content-encoding": encoding}
    packed = client.post(path, content=pack(content), headers=headers)
    assert (packed.status_code, packed.content) == (200, plain.content)


def packed(client: TestClient, path: str, content: bytes, encoding: str = "gzip") -> Any:
    return client.post(path, content=content, headers={**JSON, "content-encoding": encoding})


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "compress", "gzip, deflate", "gzip, gzip", "identity, br"]
)
def test_an_encoding_that_is_not_supported_is_refused(
    client: TestClient, path: str, encoding: str
) -> None:
    answer = packed(client, path, b"x", encoding)
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert "allowed: gzip, deflate" in answer.text


BODY = json.dumps({"data": ROWS}).encode()
GZIP = gzip.compress(BODY, mtime=0)


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"", "gzip"),
        (b"", "deflate"),
        (BODY, "gzip"),
        (BODY, "deflate"),
        (GZIP[:-1], "gzip"),
        (GZIP[:20], "gzip"),
        (GZIP[:-8] + b"12345678", "gzip"),
        (GZIP + b"SESAME", "gzip"),
        (gzip.compress(b"", mtime=0) * 200, "gzip"),
        (zlib.compress(BODY)[:-1], "deflate"),
        (zlib.compress(BODY) + b"SESAME", "deflate"),
        (GZIP, "deflate"),
        (zlib.compress(BODY), "gzip"),
    ],
)
def test_a_damaged_body_is_a_bad_request(
    client: TestClient, path: str, content: bytes, encoding: str
) -> None:
    answer = packed(client, path, content, encoding)
    assert answer.status_code == 400
    assert "body" in answer.text
    assert "SESAME" not in answer.text


@pytest.mark.parametrize("path", ENDPOINTS)
def test_the_limit_holds_for_the_body_as_sent_and_as_unpacked(
    client: TestClient, path: str
) -> None:
    for content in (b"\0" * (MAX_BYTES + 1), b" " * 10_000_000):
        answer = packed(client, path, gzip.compress(content))
        assert answer.status_code == 413
        assert str(MAX_BYTES) in answer.text
    stored = gzip.compress(b" " * MAX_BYTES, compresslevel=0)
    assert packed(client, path, stored).status_code == 413
    # As long as is allowed: it is read, and is not JSON.
    assert packed(client, path, gzip.compress(b" " * MAX_BYTES)).status_code == 400


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            unpack(bomb, "gzip", 1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@given(content=st.binary(max_size=200), limit=st.integers(0, 250), data=st.data())
def test_unpacking_gives_the_content_or_says_that_it_is_too_long(
    content: bytes, limit: int, data: st.DataObject
) -> None:
    encoding, pack = data.draw(st.sampled_from([each for each in PACKED if each[0] != "identity"]))
    encoding = encoding.lower().removeprefix("identity, ")
    if len(content) > limit:
        with pytest.raises(TooLarge):
            unpack(pack(content), encoding, limit)
    else:
        assert unpack(pack(content), encoding, limit) == content


@given(content=st.binary(max_size=60), encoding=st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_are_unpacked_or_refused(content: bytes, encoding: str) -> None:
    try:
        assert len(unpack(content, encoding, 1_000)) <= 1_000
    except (TooLarge, UnreadableData):
        return
