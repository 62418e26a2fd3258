"""One download over HTTP that goes on after a broken transfer."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

import httpx

from domain.errors import ChecksumMismatch, Misconfigured, NotFound, Unavailable

Progress: TypeAlias = Callable[[int, int | None], None]

_ATTEMPTS = 5
_LONGEST_PAUSE = 8.0
_BLOCK = 1 << 18
_WORTH_RETRYING = {408, 425, 429, 500, 502, 503, 504}


def public(url: str) -> str:
    """Return a URL without user, password and query, which may be secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class _Broken(Exception):
    """A transfer that may succeed if it is tried again."""


@dataclass(frozen=True, slots=True)
class Download:
    """Puts what is at a URL into `target`, at once and whole.

    What has arrived is kept beside it until then, also for another process, with what the server
    calls the content, so that only the rest is asked for, and only of the same content.
    """

    url: str
    target: Path
    progress: Progress
    pause: Callable[[float], None]
    timeout: float

    def __call__(self, verify: Callable[[Path], None]) -> None:
        """Download unless the server says that `target` is still what it has.

        Raises:
            NotFound, Unavailable: there is no answer, or none that helps.
            ChecksumMismatch: `verify` refused what came; nothing is kept.
        """
        why = ""
        with self._client() as client:
            for attempt in range(_ATTEMPTS):
                if attempt:
                    self.pause(min(0.5 * 2 ** (attempt - 1), _LONGEST_PAUSE))
                try:
                    return self._attempt(client, verify)
                except _Broken as broken:
                    why = str(broken)
        raise Unavailable(f"{public(self.url)}: {why}; tried {_ATTEMPTS} times")

    def _client(self) -> httpx.Client:
        return httpx.Client(
            follow_redirects=True,
            timeout=self.timeout,
            headers={"Accept-Encoding": "identity", "User-Agent": "modelport"},
        )

    def _attempt(self, client: httpx.Client, verify: Callable[[Path], None]) -> None:
        resumed = self._have() > 0
        if not self._transfer(client):
            return
        try:
            verify(self._part)
        except ChecksumMismatch as mismatch:
            self._forget()
            if resumed:  # the beginning may have been of something else
                raise _Broken(str(mismatch)) from mismatch
            raise
        with self._part.open("rb") as stream:
            os.fsync(stream.fileno())
        self._part.replace(self.target)
        _tag(self._part).replace(_tag(self.target))

    def _transfer(self, client: httpx.Client) -> bool:
        """Receive what is lacking. False: the target is still what the server has."""
        try:
            with client.stream("GET", self.url, headers=self._conditions()) as response:
                if response.status_code == httpx.codes.NOT_MODIFIED and self.target.exists():
                    return False
                self._require_content(response)
                self._receive(response)
                return True
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Misconfigured(f"{public(self.url)} is not a URL: {error}") from error
        except httpx.TooManyRedirects as error:
            raise Unavailable(f"{public(self.url)}: {error}") from error
        except httpx.TransportError as error:
            raise _Broken(str(error) or type(error).__name__) from error

    def _conditions(self) -> dict[str, str]:
        """Ask for what is lacking of the same content, or for what is not the same any more."""
        if self._have():
            known = _tag(self._part).read_text()
            return {"Range": f"bytes={self._have()}-", "If-Range": known}
        if self.target.exists() and _tag(self.target).exists():
            known = _tag(self.target).read_text()
            if known:
                return {("If-None-Match" if '"' in known else "If-Modified-Since"): known}
        return {}

    def _require_content(self, response: httpx.Response) -> None:
        status = response.status_code
        answer = f"the server answered {status} {response.reason_phrase}".strip()
        if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            raise NotFound(f"{public(self.url)}: {answer}")
        if status in _WORTH_RETRYING:
            raise _Broken(answer)
        if status == httpx.codes.PARTIAL_CONTENT:
            if response.headers.get("Content-Range", "").startswith(f"bytes {self._have()}-"):
                return
            answer = "the server sent another part than was asked for"
        if status != httpx.codes.OK:
            if self._have():
                self._forget()
                raise _Broken(answer)
            raise Unavailable(f"{public(self.url)}: {answer}")

    def _receive(self, response: httpx.Response) -> None:
        goes_on = response.status_code == httpx.codes.PARTIAL_CONTENT
        done = self._have() if goes_on else 0
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdigit() else None
        if not goes_on:
            self._forget()
            _tag(self._part).write_text(_validator(response))
        with self._part.open("ab") as stream:
            for block in response.iter_raw(_BLOCK):
                stream.write(block)
                done += len(block)
                self.progress(done, total)

    def _have(self) -> int:
        """The bytes that can be built on: of a content that the server can recognise."""
        tag = _tag(self._part)
        if not self._part.exists() or not tag.exists():
            return 0
        return self._part.stat().st_size if _is_strong(tag.read_text()) else 0

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        _tag(self._part).unlink(missing_ok=True)

    @property
    def _part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")


def _tag(path: Path) -> Path:
    """The file that holds what the server calls the content of another one."""
    return path.with_name(f"{path.name}.tag")


def _validator(response: httpx.Response) -> str:
    """Return the entity tag, or else the time of the last change, or else nothing."""
    headers = response.headers
    return str(headers.get("ETag", "") or headers.get("Last-Modified", ""))


def _is_strong(validator: str) -> bool:
    return bool(validator) and not validator.startswith("W/")
