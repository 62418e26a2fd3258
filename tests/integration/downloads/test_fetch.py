import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.http.resumable_download import fetch
from domain.errors import ChecksumMismatch, Misconfigured, NotFound, Unavailable
from tests.integration.downloads.servers import Answer, Server, part_of, serving
from tests.integration.processes import free_port

CONTENT = b"x,y\n" + b"1,2\n" * 200_000
DIGEST = sha256(CONTENT).hexdigest()


class Pauses(list[float]):
    """Remembers how long a download wanted to wait, and does not wait."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def files_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != ".lock")


def get(server: Server, cache: Path, digest: str | None = DIGEST, name: str = "data.csv") -> Path:
    return fetch(f"{server.url}/{name}", digest, cache, pause=Pauses(), timeout=10)


def test_a_file_is_fetched_under_its_own_name(tmp_path: Path) -> None:
    with serving(lambda _: Answer(CONTENT)) as server:
        path = get(server, tmp_path, name="a%20b/block%20groups.csv?token=secret")
    assert path.read_bytes() == CONTENT
    assert path.name == "block_groups.csv"
    assert path.is_relative_to(tmp_path)


def test_with_a_checksum_the_second_time_needs_no_server(tmp_path: Path) -> None:
    with serving(lambda _: Answer(CONTENT)) as server:
        first = get(server, tmp_path)
        url = f"{server.url}/data.csv"
    assert fetch(url, DIGEST.upper(), tmp_path, pause=Pauses()) == first
    assert len(server.requests) == 1


def test_a_cached_file_that_was_damaged_is_fetched_again(tmp_path: Path) -> None:
    with serving(lambda request: part_of(CONTENT, request, ETag='"1"')) as server:
        path = get(server, tmp_path)
        path.write_bytes(b"damaged")
        assert get(server, tmp_path).read_bytes() == CONTENT
    assert "if-none-match" not in server.requests[-1]


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"'])
def test_without_a_checksum_the_request_is_conditional(tmp_path: Path, etag: str) -> None:
    def behave(request: Mapping[str, str]) -> Answer:
        if request.get("if-none-match") == etag:
            return Answer(status=304)
        return Answer(b"x\n1\n", headers={"ETag": etag})

    with serving(behave) as server:
        path = get(server, tmp_path, None)
        assert get(server, tmp_path, None) == path
        assert path.read_bytes() == b"x\n1\n"
        assert server.requests[1]["if-none-match"] == etag
        server.behave = lambda _: Answer(b"x\n2\n", headers={"ETag": '"2"'})
        assert get(server, tmp_path, None).read_bytes() == b"x\n2\n"


def test_without_an_entity_tag_the_request_has_the_time_of_the_last_change(tmp_path: Path) -> None:
    changed = "Sun, 01 Apr 1990 12:00:00 GMT"
    with serving(lambda _: Answer(b"x\n1\n", headers={"Last-Modified": changed})) as server:
        get(server, tmp_path, None)
        server.behave = lambda _: Answer(status=304)
        assert get(server, tmp_path, None).read_bytes() == b"x\n1\n"
    assert server.requests[1]["if-modified-since"] == changed


def test_different_addresses_do_not_share_a_file(tmp_path: Path) -> None:
    with serving(lambda request: Answer(request["path"].encode())) as server:
        paths = [get(server, tmp_path, None, name) for name in ("a.csv?v=1", "a.csv?v=2")]
    assert [path.read_bytes() for path in paths] == [b"/a.csv?v=1", b"/a.csv?v=2"]


def test_a_broken_transfer_goes_on_where_it_broke(tmp_path: Path) -> None:
    def drop(request: Mapping[str, str]) -> Answer:
        answer = part_of(CONTENT, request, ETag='"1"')
        half = len(answer.body) // 2
        return replace(answer, body=answer.body[:half], length=len(answer.body))

    def behave(request: Mapping[str, str]) -> Answer:
        if len(server.requests) < 3:
            return drop(request)
        return part_of(CONTENT, request, ETag='"1"')

    pauses, reported = Pauses(), []
    with serving(behave) as server:
        path = fetch(
            f"{server.url}/data.csv",
            DIGEST,
            tmp_path,
            pause=pauses,
            progress=lambda done, total: reported.append((done, total)),
        )
    assert path.read_bytes() == CONTENT
    starts = [int(r["range"].strip("bytes=-")) for r in server.requests if "range" in r]
    assert len(starts) == 2
    assert 0 < starts[0] < starts[1] < len(CONTENT)
    assert all(r["if-range"] == '"1"' for r in server.requests[1:])
    assert pauses == [0.5, 1.0]
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)
    assert reported[-1] == (len(CONTENT), len(CONTENT))
    assert files_in(tmp_path) == ["data.csv", "data.csv.tag"]


def test_a_transfer_that_a_killed_process_began_goes_on(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from adapters.http.resumable_download import fetch

def progress(done, total):
    if done > 400_000:
        os.kill(os.getpid(), signal.SIGKILL)

fetch(sys.argv[1], None, Path(sys.argv[2]), progress=progress)
"""
    with serving(lambda request: part_of(CONTENT, request, ETag='"1"')) as server:
        url = f"{server.url}/data.csv"
        done = subprocess.run([sys.executable, "-c", script, url, tmp_path])
        assert done.returncode == -signal.SIGKILL
        assert files_in(tmp_path) == ["data.csv.part", "data.csv.part.tag"]
        assert fetch(url, None, tmp_path).read_bytes() == CONTENT
    assert int(server.requests[1]["range"].strip("bytes=-")) > 0


def test_what_changed_meanwhile_is_fetched_from_the_start(tmp_path: Path) -> None:
    other = CONTENT.replace(b"1", b"3")

    def behave(request: Mapping[str, str]) -> Answer:
        if len(server.requests) == 1:
            body = CONTENT[:500_000]
            return Answer(body, headers={"ETag": '"1"'}, length=len(CONTENT))
        return part_of(other, request, ETag='"2"')

    with serving(behave) as server:
        assert get(server, tmp_path, None).read_bytes() == other


def test_parts_that_do_not_fit_together_are_dropped(tmp_path: Path) -> None:
    """The server sends the same entity tag for other content."""
    other = CONTENT.replace(b"1", b"3")

    def behave(request: Mapping[str, str]) -> Answer:
        if len(server.requests) == 1:
            body = other[:500_000]
            return Answer(body, headers={"ETag": '"1"'}, length=len(CONTENT))
        return part_of(CONTENT, request, ETag='"1"')

    with serving(behave) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT
    assert ["range" in request for request in server.requests] == [False, True, False]


@pytest.mark.parametrize("status", [200, 206, 416])
def test_a_server_that_refuses_the_range_is_sent_a_request_for_all(
    tmp_path: Path, status: int
) -> None:
    def behave(request: Mapping[str, str]) -> Answer:
        if len(server.requests) == 1:
            body = CONTENT[:500_000]
            return Answer(body, headers={"ETag": '"1"'}, length=len(CONTENT))
        if "range" not in request or status == 200:
            return Answer(CONTENT)
        return Answer(b"other", status, {"Content-Range": "bytes 0-4/5"})

    with serving(behave) as server:
        assert get(server, tmp_path, None).read_bytes() == CONTENT


def test_a_server_that_drops_every_connection_is_given_up(tmp_path: Path) -> None:
    pauses = Pauses()
    with (
        serving(lambda _: Answer(CONTENT[:99], length=len(CONTENT))) as server,
        pytest.raises(Unavailable, match=r"/data\.csv: peer closed connection.*tried 5 times"),
    ):
        fetch(f"{server.url}/data.csv", DIGEST, tmp_path, pause=pauses)
    assert len(server.requests) == 5
    assert pauses == [0.5, 1.0, 2.0, 4.0]


def test_content_with_a_wrong_checksum_is_not_kept(tmp_path: Path) -> None:
    lie = b"x,y\n9,9\n"
    with serving(lambda _: Answer(lie, headers={"ETag": f'"{DIGEST}"'})) as server:
        with pytest.raises(ChecksumMismatch) as caught:
            get(server, tmp_path)
        assert files_in(tmp_path) == []
    assert f"the SHA-256 is {sha256(lie).hexdigest()}" in str(caught.value)
    assert f"expected was {DIGEST}" in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_file_is_not_requested_again(tmp_path: Path, status: int) -> None:
    with (
        serving(lambda _: Answer(status=status)) as server,
        pytest.raises(NotFound, match=rf"/data\.csv: the server answered {status}"),
    ):
        get(server, tmp_path)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 451])
def test_a_refusal_is_not_requested_again(tmp_path: Path, status: int) -> None:
    with (
        serving(lambda _: Answer(status=status)) as server,
        pytest.raises(Unavailable, match=f"the server answered {status}"),
    ):
        get(server, tmp_path)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_error_is_retried(tmp_path: Path, status: int) -> None:
    def behave(request: Mapping[str, str]) -> Answer:
        return Answer(status=status) if len(server.requests) < 3 else Answer(CONTENT)

    with serving(behave) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT
        server.behave = lambda _: Answer(status=status)
        with pytest.raises(Unavailable, match=rf"answered {status}.*tried 5 times"):
            get(server, tmp_path, None)
    assert len(server.requests) == 3 + 5


def test_redirects_are_followed(tmp_path: Path) -> None:
    def behave(request: Mapping[str, str]) -> Answer:
        if request["path"] == "/new":
            return Answer(CONTENT)
        return Answer(status=302, headers={"Location": "/new"})

    with serving(behave) as server:
        assert get(server, tmp_path).name == "data.csv"
        server.behave = lambda _: Answer(status=302, headers={"Location": "/data.csv"})
        with pytest.raises(Unavailable, match="redirects"):
            get(server, tmp_path, None)


def test_a_closed_port_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:\d+/d/x\.csv: .*refused.*5 times"):
        fetch(f"http://127.0.0.1:{free_port()}/d/x.csv", None, tmp_path, pause=Pauses())
    assert files_in(tmp_path) == []


def test_a_server_without_a_response_is_unavailable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.csv"
        with pytest.raises(Unavailable, match="timed out"):
            fetch(url, None, tmp_path, pause=Pauses(), timeout=0.05)


def test_secrets_in_an_address_are_not_shown(tmp_path: Path) -> None:
    with serving(lambda _: Answer(status=403)) as server:
        url = server.url.replace("//", "//me:secret@") + "/x.csv?token=secret"
        with pytest.raises(Unavailable) as caught:
            fetch(url, None, tmp_path)
    assert "secret" not in str(caught.value)
    assert server.requests[0]["authorization"].startswith("Basic ")


def test_those_who_fetch_the_same_at_once_share_one_download(tmp_path: Path) -> None:
    with serving(lambda _: Answer(CONTENT)) as server, ThreadPoolExecutor(4) as threads:
        paths = set(threads.map(lambda _: get(server, tmp_path), range(4)))
    assert len(paths) == 1
    assert len(server.requests) == 1


def test_the_server_of_the_standard_library_is_good_enough(tmp_path: Path) -> None:
    """It supports neither ranges nor entity tags."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "data.csv").write_bytes(CONTENT)
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--directory", tmp_path / "site"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}/data.csv"
        for digest in (DIGEST, None):
            assert fetch(url, digest, tmp_path / "cache").read_bytes() == CONTENT
        assert fetch(url, None, tmp_path / "cache").read_bytes() == CONTENT
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("digest", [DIGEST, None])
def test_a_file_of_this_machine_is_copied_and_verified(tmp_path: Path, digest: str | None) -> None:
    source = tmp_path / "my data.csv"
    source.write_bytes(CONTENT)
    path = fetch(source.as_uri(), digest, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    assert path != source
    source.write_bytes(b"other")
    again = fetch(source.as_uri(), digest, tmp_path / "cache")
    assert again.read_bytes() == (CONTENT if digest else b"other")
    with pytest.raises(ChecksumMismatch):
        fetch(source.as_uri(), "0" * 64, tmp_path / "cache")
    assert files_in(tmp_path / "cache") == ["my_data.csv"]


@pytest.mark.parametrize("name", ["nothing.csv", ""])
def test_a_file_of_this_machine_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound, match="the file does not exist"):
        fetch((tmp_path / name).as_uri(), None, tmp_path / "cache")


@pytest.mark.parametrize("url", ["ftp://host/x.csv", "/x.csv", "", "http:///x.csv", "http://[::1"])
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(Misconfigured):
        fetch(url, None, tmp_path, pause=Pauses())


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64])
def test_what_is_no_checksum_is_refused(tmp_path: Path, digest: str) -> None:
    with pytest.raises(Misconfigured, match="is not a SHA-256 checksum"):
        fetch("http://127.0.0.1:9/x.csv", digest, tmp_path)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="file/cache"):
        fetch("http://127.0.0.1:9/x.csv", None, tmp_path / "file" / "cache")
