"""A client of an MLflow server's REST API: every request is bounded in time and size."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import httpx

from domain.errors import Misconfigured, TooLarge, Unavailable

# Each request opens a connection: a server may close an idle one when a request reuses it.
_KEPT_CONNECTIONS = 0
_API = "/api/2.0/mlflow/"
_LARGEST_ANSWER = 32 << 20
_PAGE = 200
_CONNECT_SECONDS = 2.0
_FILE_SECONDS = 60.0

# Configuration that MLflow's client reads and this one does not.
_ONLY_MLFLOW_CLIENT = (
    "MLFLOW_ENABLE_WORKSPACES",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_WORKSPACE",
)
_ONLY_MLFLOW_CLIENT_TLS = (
    "CURL_CA_BUNDLE",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "REQUESTS_CA_BUNDLE",
)
_CREDENTIALS = Path("~/.mlflow/credentials")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the server, by MLflow's error code."""

    code: str

    @property
    def is_not_found(self) -> bool:
        """Whether the server does not know what the request names."""
        return self.code == "RESOURCE_DOES_NOT_EXIST"


class MlflowServer:
    """A client of one MLflow server. Safe to use from several threads.

    A call takes at most `answer_seconds`. It sends user and password of the address, or else the
    token.
    """

    def __init__(self, address: str, token: str | None, answer_seconds: float) -> None:
        url = _url(address)
        if url is None:
            scheme, separator, _ = address.partition("://")
            shown = f"{scheme}://…" if separator else "…"
            raise Misconfigured(
                f"MLflow tracking URI: {shown!r} is not the address of a server; "
                f"allowed with the http model store: http(s)://host:port"
            )
        base = url.copy_with(userinfo=b"", query=None, fragment=None)
        self.where = str(base).rstrip("/")
        self._answer_seconds = answer_seconds
        headers = {"Accept-Encoding": "identity", "User-Agent": "modelport"}
        if token and not url.userinfo:
            headers["Authorization"] = _bearer(token)
        self._client = httpx.Client(
            base_url=base,
            auth=(url.username, url.password) if url.userinfo else None,
            headers=headers,
            limits=httpx.Limits(max_keepalive_connections=_KEPT_CONNECTIONS),
        )

    def get(self, path: str, **params: str) -> Any:
        """Return the JSON answer to a GET request, or the error of the server.

        Raises:
            Unavailable: there is no answer in time, or it is not an answer of MLflow.
            Misconfigured: the server refuses the credentials.
        """
        return self._ask("GET", path, params=params)

    def post(self, path: str, **body: str) -> Any:
        """Return the JSON answer to a POST request, or the error; raises as `get`."""
        return self._ask("POST", path, json=body)

    def pages(self, path: str, **params: str) -> Iterator[Any]:
        """Yield the answers to a search, page by page."""
        more = {"max_results": str(_PAGE)}
        while True:
            answer = self.get(path, **params, **more)
            yield answer
            token = None if isinstance(answer, Refusal) else answer.get("next_page_token")
            if not token:
                return
            more["page_token"] = token

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Raise `Unavailable` if the block finds an answer that MLflow does not give."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._not_mlflow() from error

    def file(self, name: str, number: int, path: str, most_bytes: int) -> bytes | None:
        """Return a file of a model version; None if it does not exist.

        The server reads it from its artifact store, with its own credentials.

        Raises:
            Unavailable: the file does not arrive in time.
            TooLarge: it is larger than allowed.
        """
        params = {"name": name, "version": str(number), "path": path}
        status, content = self._request(
            "GET", "/model-versions/get-artifact", _FILE_SECONDS, most_bytes, params=params
        )
        if status == httpx.codes.OK:
            return content
        self._refusal(status, content)
        return None

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        try:
            status, content = self._request(
                method, _API + path, self._answer_seconds, _LARGEST_ANSWER, **request
            )
        except TooLarge as error:
            raise self._not_mlflow() from error
        if status != httpx.codes.OK:
            return self._refusal(status, content)
        answer = _json(content)
        if not isinstance(answer, dict):
            raise self._not_mlflow()
        return answer

    def _request(
        self, method: str, path: str, seconds: float, most_bytes: int, **request: Any
    ) -> tuple[int, bytes]:
        deadline = monotonic() + seconds
        content = bytearray()
        try:
            with self._client.stream(
                method,
                path,
                timeout=httpx.Timeout(seconds, connect=_CONNECT_SECONDS),
                follow_redirects=method == "GET",  # a redirected POST becomes a GET
                **request,
            ) as response:
                for block in response.iter_raw():
                    content += block
                    if len(content) > most_bytes:
                        raise TooLarge(f"{self.where}: an answer of more than {most_bytes} bytes")
                    if monotonic() > deadline:
                        raise self._down(f"no complete answer in {seconds:g} seconds")
        except httpx.ConnectError as error:
            raise self._down(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Without the message of the error, which may quote secrets.
            raise self._down(type(error).__name__) from error
        return response.status_code, bytes(content)

    def _refusal(self, status: int, content: bytes) -> Refusal:
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise Misconfigured(
                f"{self.where}: the MLflow server answered {status}; set a user and password in "
                f"MLFLOW_TRACKING_URI, or MLFLOW_TRACKING_TOKEN, that may read the registry"
            )
        if status == httpx.codes.TOO_MANY_REQUESTS or not httpx.codes.is_client_error(status):
            raise self._down(f"it answered {status}")
        document = _json(content)
        if not isinstance(document, dict) or "error_code" not in document:
            raise self._not_mlflow()
        return Refusal(str(document["error_code"]))

    def _down(self, why: str) -> Unavailable:
        return Unavailable(f"{self.where}: the MLflow server does not answer ({why})")

    def _not_mlflow(self) -> Unavailable:
        return Unavailable(f"{self.where}: the server does not answer like MLflow")


def replaces_mlflow_client(address: str) -> bool:
    """Whether this client can replace MLflow's own for a server.

    It cannot if the environment configures how MLflow's client authenticates or verifies TLS.
    """
    url = _url(address)
    if url is None or _CREDENTIALS.expanduser().exists():
        return False
    tls = _ONLY_MLFLOW_CLIENT_TLS if url.scheme == "https" else ()
    return not any(os.environ.get(name) for name in (*_ONLY_MLFLOW_CLIENT, *tls))


def _url(address: str) -> httpx.URL | None:
    """Return the address of a web server; None if it is something else."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return None
    return url if url.scheme in ("http", "https") and url.host and url.port != 0 else None


def _bearer(token: str) -> str:
    if not (token.isascii() and token.isprintable()):
        raise Misconfigured("MLflow tracking token: it holds characters that no token can have")
    return f"Bearer {token}"


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
