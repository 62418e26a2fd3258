"""One download over HTTP that continues after an interrupted transfer."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import httpx

from adapters.files.download_cache import CachedFile, url_without_secrets
from domain.errors import ChecksumMismatch, Misconfigured, NotFound, Unavailable

Progress: TypeAlias = Callable[[int, int | None], None]

_ATTEMPTS = 5
_LONGEST_PAUSE = 8.0
_BLOCK = 1 << 18
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


class _Interrupted(Exception):
    """A transfer that may succeed if it is tried again."""


@dataclass(frozen=True, slots=True)
class Download:
    """Downloads a URL into a file of the cache.

    An interrupted transfer is continued, also by another process, if the server still has the
    same content. `timeout` is for each single wait, in seconds.
    """

    url: str
    target: CachedFile
    progress: Progress
    pause: Callable[[float], None]
    timeout: float

    def __call__(self, verify: Callable[[Path], None]) -> None:
        """Download, unless the server says that the complete file is still current.

        Raises:
            NotFound: the server has nothing at the URL.
            Unavailable: the server does not answer, or answers with an error.
            ChecksumMismatch: `verify` refused the content; nothing is kept.
        """
        why = ""
        with self._client() as client:
            for attempt in range(_ATTEMPTS):
                if attempt:
                    self.pause(min(0.5 * 2 ** (attempt - 1), _LONGEST_PAUSE))
                try:
                    return self._attempt(client, verify)
                except _Interrupted as interrupted:
                    why = str(interrupted)
        raise Unavailable(f"{self._where}: {why}; tried {_ATTEMPTS} times")

    @property
    def _where(self) -> str:
        return url_without_secrets(self.url)

    def _client(self) -> httpx.Client:
        return httpx.Client(
            follow_redirects=True,
            timeout=self.timeout,
            headers={"Accept-Encoding": "identity", "User-Agent": "modelport"},
        )

    def _attempt(self, client: httpx.Client, verify: Callable[[Path], None]) -> None:
        resumed = self._received() > 0
        if not self._transfer(client):
            return
        try:
            verify(self.target.part)
        except ChecksumMismatch as mismatch:
            self.target.discard()
            if resumed:  # the first part may belong to another content
                raise _Interrupted(str(mismatch)) from mismatch
            raise
        with self.target.part.open("rb") as stream:
            os.fsync(stream.fileno())
        self.target.complete()

    def _transfer(self, client: httpx.Client) -> bool:
        """Receive the rest of the content. False: the complete file is still current."""
        try:
            with client.stream("GET", self.url, headers=self._conditions()) as response:
                if response.status_code == httpx.codes.NOT_MODIFIED and self.target.path.exists():
                    return False
                self._require_content(response)
                self._receive(response)
                return True
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Misconfigured(f"{self._where} is not a URL: {error}") from error
        except httpx.TooManyRedirects as error:
            raise Unavailable(f"{self._where}: {error}") from error
        except httpx.TransportError as error:
            raise _Interrupted(str(error) or type(error).__name__) from error

    def _conditions(self) -> dict[str, str]:
        """Return headers that ask for the rest of the same content, or for a changed content."""
        if size := self._received():
            return {"Range": f"bytes={size}-", "If-Range": self.target.part_tag or ""}
        if tag := self.target.tag:
            return {("If-None-Match" if '"' in tag else "If-Modified-Since"): tag}
        return {}

    def _require_content(self, response: httpx.Response) -> None:
        status = response.status_code
        answer = f"the server answered {status} {response.reason_phrase}".strip()
        if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            raise NotFound(f"{self._where}: {answer}")
        if status in _RETRYABLE:
            raise _Interrupted(answer)
        if status == httpx.codes.PARTIAL_CONTENT:
            expected = f"bytes {self._received()}-"
            if response.headers.get("Content-Range", "").startswith(expected):
                return
            answer = "the server sent another range than the requested one"
        if status != httpx.codes.OK:
            if self._received():
                self.target.discard()
                raise _Interrupted(answer)
            raise Unavailable(f"{self._where}: {answer}")

    def _receive(self, response: httpx.Response) -> None:
        is_rest = response.status_code == httpx.codes.PARTIAL_CONTENT
        done = self._received() if is_rest else 0
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdigit() else None
        if not is_rest:
            self.target.start(_validator(response))
        with self.target.part.open("ab") as stream:
            for block in response.iter_raw(_BLOCK):
                stream.write(block)
                done += len(block)
                self.progress(done, total)

    def _received(self) -> int:
        """Return the size of the part; 0 if its content cannot be identified."""
        return self.target.part.stat().st_size if _is_strong(self.target.part_tag or "") else 0


def _validator(response: httpx.Response) -> str:
    """Return the entity tag, or the time of the last change, or an empty string."""
    headers = response.headers
    return str(headers.get("ETag", "") or headers.get("Last-Modified", ""))


def _is_strong(validator: str) -> bool:
    return bool(validator) and not validator.startswith("W/")
