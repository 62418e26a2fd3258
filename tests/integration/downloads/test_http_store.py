"""The HTTP model store before servers that misbehave; the contract is tried on a real MLflow."""

import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.mlflow.rest.http_model_store import HttpStore
from domain.canonical_json import json_bytes
from domain.errors import ArtefactRejected, Misconfigured, ModelportError, NotFound, Unavailable
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef
from tests.integration.downloads.servers import Answer, Server, serving
from tests.integration.processes import free_port
from tests.support.samples import CREATED, NAME, sample_bundle

ORCHARD = ModelRef(NAME)
BUNDLE = sample_bundle()


def refused(status: int, code: str) -> Answer:
    return Answer(json.dumps({"error_code": code, "message": "no"}).encode(), status)


def version(**other: Any) -> dict[str, Any]:
    tags = {"modelport.bundle": BUNDLE.id, "modelport.created_at": CREATED.isoformat()}
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    return {"name": NAME, "version": "1", "tags": listed, "aliases": ["champion"], **other}


class Registry:
    """A registry with one version, whose files and responses may be replaced."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = dict(BUNDLE.files)
        self.version = version()
        self.instead: Callable[[str], Answer | None] = lambda path: None

    def __call__(self, request: Mapping[str, str]) -> Answer:
        url = urlsplit(request["path"])
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        answer = self.instead(url.path)
        if answer is not None:
            return answer
        if url.path.endswith("/get-artifact"):
            folder, _, name = query["path"].rpartition("/")
            assert (folder, query["name"], query["version"]) == ("data/bundle", NAME, "1")
            if name in self.files:
                return Answer(self.files[name])
            return refused(404, "RESOURCE_DOES_NOT_EXIST")
        if request["method"] == "POST":
            return Answer(b"{}")
        if url.path.endswith("registered-models/get"):
            return Answer(json_bytes({"registered_model": {"name": NAME}}))
        if url.path.endswith(("registered-models/alias", "model-versions/get")):
            return Answer(json_bytes({"model_version": self.version}))
        return refused(404, "RESOURCE_DOES_NOT_EXIST")


@pytest.fixture
def registry() -> Registry:
    return Registry()


def resolve_error(registry: Registry, **arguments: Any) -> ModelportError:
    """Return the error of `resolve`."""
    with serving(registry) as server, pytest.raises(ModelportError) as error:
        HttpStore(server.url, **arguments).resolve(ORCHARD)
    return error.value


def test_each_call_of_the_store_makes_as_few_requests_as_possible(registry: Registry) -> None:
    with serving(registry) as server:
        store = HttpStore(server.url)

        def requests(call: Callable[[], object]) -> int:
            before = len(server.requests)
            call()
            return len(server.requests) - before

        found = store.resolve(ORCHARD)
        assert len(server.requests) == 1
        assert requests(lambda: store.manifest(found)) == 1
        assert requests(lambda: store.load(found)) == len(BUNDLE.files)
        assert requests(lambda: store.annotate(found, {"a": "1", "b": "2"})) == 3
        assert requests(lambda: store.set_alias(NAME, "staging", 1, None)) == 2


def test_a_registry_below_a_path_is_found(registry: Registry) -> None:
    with serving(registry) as server:
        assert HttpStore(f"{server.url}/mlflow/").resolve(ORCHARD).label == "orchard/1"
        (request,) = server.requests
    assert request["path"].startswith("/mlflow/api/2.0/mlflow/registered-models/alias?")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_with_an_error_is_unavailable(registry: Registry, status: int) -> None:
    registry.instead = lambda path: Answer(b"<html>busy</html>", status)
    error = resolve_error(registry)
    assert isinstance(error, Unavailable)
    assert f"it answered {status}" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>a login page</html>"),
        Answer(b"[" * 100_000),
        Answer(b"[]"),
        Answer(b"{}"),
        Answer(b'{"model_version": {"version": "one"}}'),
        Answer(b'{"model_version": []}'),
        Answer(b"<html>not found</html>", 404),
        Answer(b'"no"', 404),
    ],
)
def test_a_server_that_does_not_answer_like_mlflow_is_unavailable(
    registry: Registry, answer: Answer
) -> None:
    registry.instead = lambda path: answer
    error = resolve_error(registry)
    assert isinstance(error, Unavailable)
    assert "does not answer like MLflow" in str(error)


def test_an_answer_that_breaks_off_is_no_answer(registry: Registry) -> None:
    registry.instead = lambda path: Answer(b"{", length=1000)
    assert isinstance(resolve_error(registry), Unavailable)


def test_a_server_that_is_not_there_is_noticed_at_once() -> None:
    store = HttpStore(f"http://127.0.0.1:{free_port()}")
    started = time.monotonic()
    with pytest.raises(Unavailable, match="the MLflow server does not answer"):
        store.resolve(ORCHARD)
    assert time.monotonic() - started < 2


def test_a_server_that_hangs_is_given_up(registry: Registry) -> None:
    released = Event()

    def hang(path: str) -> Answer:
        released.wait(30)
        return Answer(b"{}")

    registry.instead = hang
    with serving(registry) as server:
        started = time.monotonic()
        try:
            with pytest.raises(Unavailable, match="ReadTimeout"):
                HttpStore(server.url, answer_seconds=0.2).resolve(ORCHARD)
            assert time.monotonic() - started < 5
        finally:
            released.set()


def test_a_question_follows_a_redirection(registry: Registry) -> None:
    with serving(registry) as server:
        to = f"{server.url}/new/api/2.0/mlflow/registered-models/alias?name=orchard&alias=champion"
        moved = Answer(status=302, headers={"Location": to})
        registry.instead = lambda path: None if path.startswith("/new/") else moved
        assert HttpStore(server.url).resolve(ORCHARD).number == 1


def test_a_command_that_is_redirected_is_not_taken_for_done(registry: Registry) -> None:
    """A redirected POST becomes a GET, whose response here is that of a moved alias."""
    with serving(registry) as server:
        to = f"{server.url}/new/api/2.0/mlflow/registered-models/alias?name=orchard&alias=champion"
        moved = Answer(status=302, headers={"Location": to})
        known = Answer(json_bytes({"registered_model": {"name": NAME}}))
        registry.instead = lambda path: (
            known
            if path.endswith("registered-models/get")
            else moved
            if path.startswith("/api") and path.endswith("alias")
            else None
        )
        with pytest.raises(Unavailable, match="it answered 302"):
            HttpStore(server.url).set_alias(NAME, "staging", 1, None)
        assert [request["method"] for request in server.requests] == ["GET", "POST"]


def test_an_unknown_version_is_not_found(registry: Registry) -> None:
    registry.instead = lambda path: (
        Answer(b"{}") if "search" in path else refused(404, "RESOURCE_DOES_NOT_EXIST")
    )
    error = resolve_error(registry)
    assert isinstance(error, NotFound)
    assert str(error) == "no model 'orchard'; there are no models yet"


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_a_matter_of_configuration_and_never_shown(
    registry: Registry, status: int
) -> None:
    registry.instead = lambda path: refused(status, "PERMISSION_DENIED")
    with serving(registry) as server:
        address = server.url.replace("//", "//ann:open%20sesame@")
        with pytest.raises(Misconfigured) as error:
            HttpStore(address).resolve(ORCHARD)
    assert str(error.value).startswith(f"{server.url}: the MLflow server answered {status}")
    assert "sesame" not in str(error.value)
    assert "ann" not in str(error.value)


def sent(server: Server) -> str | None:
    return server.requests[-1].get("authorization")


def test_the_user_of_the_address_or_else_the_token_is_sent(registry: Registry) -> None:
    with serving(registry) as server:
        HttpStore(server.url).resolve(ORCHARD)
        assert sent(server) is None
        HttpStore(server.url, "t0ken").resolve(ORCHARD)
        assert sent(server) == "Bearer t0ken"
        address = server.url.replace("//", "//ann:open%20sesame@")
        HttpStore(address, "t0ken").resolve(ORCHARD)
        assert sent(server) == f"Basic {b64encode(b'ann:open sesame').decode()}"


def test_credentials_are_not_sent_on_to_another_server(registry: Registry) -> None:
    with serving(Registry()) as other, serving(registry) as server:
        path = "/api/2.0/mlflow/registered-models/alias?name=orchard&alias=champion"
        registry.instead = lambda _: Answer(status=302, headers={"Location": other.url + path})
        HttpStore(server.url, "t0ken").resolve(ORCHARD)
        assert sent(server) == "Bearer t0ken"
        assert sent(other) is None


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///secret.db",
        "http://",
        "http://ann:secret@",
        "http://ann:secret@host:port",
        "https://ann:secret@[::1",
        "ann:secret",
        "",
    ],
)
def test_what_is_no_address_of_a_server_is_refused_without_its_secrets(address: str) -> None:
    with pytest.raises(Misconfigured, match=r"allowed .*http\(s\)://host:port") as error:
        HttpStore(address)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("token", ["se\ncret", "secrét"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(Misconfigured, match="tracking token") as error:
        HttpStore("http://127.0.0.1:1", token)
    assert token not in str(error.value)


def test_a_version_that_modelport_has_not_saved_is_rejected(registry: Registry) -> None:
    registry.version = version(tags=[])
    error = resolve_error(registry)
    assert isinstance(error, ArtefactRejected)
    assert "orchard/1 was not saved by modelport" in str(error)


def test_a_version_without_its_time_is_rejected(registry: Registry) -> None:
    registry.version = version(tags=[{"key": "modelport.bundle", "value": BUNDLE.id}])
    error = resolve_error(registry)
    assert isinstance(error, ArtefactRejected)
    assert "'modelport.created_at' is not a time" in str(error)


def loaded(registry: Registry, **arguments: Any) -> Bundle:
    with serving(registry) as server:
        store = HttpStore(server.url, **arguments)
        return store.load(store.resolve(ORCHARD))


@pytest.mark.parametrize("name", [Bundle.MANIFEST, "golden.json"])
def test_a_bundle_without_one_of_its_files_is_rejected(registry: Registry, name: str) -> None:
    del registry.files[name]
    with pytest.raises(ArtefactRejected, match=rf"^orchard/1: .*incomplete: data/bundle/{name}"):
        loaded(registry)


def test_a_manifest_that_was_changed_is_not_read(registry: Registry) -> None:
    registry.files[Bundle.MANIFEST] = b"[" * 100_000
    with pytest.raises(ArtefactRejected, match="not the one that was registered"):
        loaded(registry)


def test_a_bundle_larger_than_the_limit_is_rejected_while_it_is_received(
    registry: Registry,
) -> None:
    size = sum(map(len, BUNDLE.files.values()))
    assert loaded(registry, most_bytes=size).id == BUNDLE.id
    with pytest.raises(ArtefactRejected, match=f"larger than {size - 1} bytes"):
        loaded(registry, most_bytes=size - 1)


def test_a_file_that_does_not_come_now_may_come_later(registry: Registry) -> None:
    registry.instead = lambda path: Answer(b"no", 503) if path.endswith("get-artifact") else None
    with pytest.raises(Unavailable, match="it answered 503"):
        loaded(registry)
