"""Downloads of a URL into the cache, verified; an interrupted transfer is continued."""

import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import file_digest
from hashlib import sha256 as new_sha256
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import httpx

from adapters.files.download_cache import (
    CachedFile,
    cached_file,
    safe_file_name,
    url_without_secrets,
)
from domain.errors import ChecksumMismatch, Misconfigured, NotFound, Unavailable

Progress: TypeAlias = Callable[[int, int | None], None]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "modelport"}
_ATTEMPTS = 5
_LONGEST_PAUSE = 8.0
_BLOCK = 1 << 18
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


def fetch(
    url: str,
    sha256: str | None,
    cache_dir: Path,
    *,
    progress: Progress = lambda _done, _total: None,
    pause: Callable[[float], None] = time.sleep,
    timeout: float = 30.0,
) -> Path:
    """Return a local copy of a URL (http, https or file), with the same file name.

    With a checksum, a file in the cache is verified and returned without a request. Without one, a
    request checks whether the file has changed. `progress` receives the bytes so far and the total,
    if known; `timeout` is for each single wait, in seconds.

    Raises:
        NotFound: there is nothing at the URL.
        Unavailable: the server does not answer, or the cache cannot be written.
        ChecksumMismatch: the content has another checksum; it is not kept.
        Misconfigured: the URL or the checksum is malformed.
    """
    expected = None if sha256 is None else sha256.strip().lower()
    if expected is not None and not _SHA256.fullmatch(expected):
        raise Misconfigured(f"{sha256!r} is not a SHA-256 checksum: 64 hexadecimal digits")
    scheme = _scheme(url)
    if scheme not in ("http", "https", "file"):
        raise Misconfigured(
            f"{url_without_secrets(url)} cannot be fetched; allowed: https, http and file URLs"
        )
    key = expected or f"url-{new_sha256(url.encode()).hexdigest()}"
    name = safe_file_name(unquote(PurePosixPath(urlsplit(url).path).name))
    with cached_file(cache_dir, key, name) as target:
        if expected and target.path.exists():
            if _digest(target.path) == expected:
                return target.path
            target.path.unlink()
        if scheme == "file":
            _copy(url, target, expected)
        else:
            _Download(url, target, expected, progress, pause, timeout).run()
        return target.path


class _Interrupted(Exception):
    """A transfer that may succeed if it is tried again."""


@dataclass(frozen=True, slots=True)
class _Download:
    """A download that is continued, also by another process, if the content is still the same."""

    url: str
    target: CachedFile
    expected: str | None
    progress: Progress
    pause: Callable[[float], None]
    timeout: float

    def run(self) -> None:
        """Download, unless the server answers that the complete file is still current."""
        why = ""
        with httpx.Client(follow_redirects=True, timeout=self.timeout, headers=_HEADERS) as client:
            for attempt in range(_ATTEMPTS):
                if attempt:
                    self.pause(min(0.5 * 2 ** (attempt - 1), _LONGEST_PAUSE))
                try:
                    return self._attempt(client)
                except _Interrupted as interrupted:
                    why = str(interrupted)
        raise Unavailable(f"{self._where}: {why}; tried {_ATTEMPTS} times")

    @property
    def _where(self) -> str:
        return url_without_secrets(self.url)

    def _attempt(self, client: httpx.Client) -> None:
        resumed = self._received() > 0
        if not self._transfer(client):
            return
        try:
            _verify(self.url, self.target.part, self.expected)
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


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme.lower()
    except ValueError as error:
        raise Misconfigured(f"{url!r} is not a URL: {error}") from error


def _copy(url: str, target: CachedFile, expected: str | None) -> None:
    source = Path(unquote(urlsplit(url).path))
    if not source.is_file():
        raise NotFound(f"{url_without_secrets(url)}: the file does not exist")
    try:
        shutil.copyfile(source, target.part)
        _verify(url, target.part, expected)
        target.part.replace(target.path)
    finally:
        target.discard()


def _verify(url: str, path: Path, expected: str | None) -> None:
    actual = expected and _digest(path)
    if actual != expected:
        raise ChecksumMismatch(
            f"{url_without_secrets(url)}: the SHA-256 is {actual}, expected was {expected}"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _validator(response: httpx.Response) -> str:
    """Return the entity tag, or the time of the last change, or an empty string."""
    headers = response.headers
    return str(headers.get("ETag", "") or headers.get("Last-Modified", ""))


def _is_strong(validator: str) -> bool:
    return bool(validator) and not validator.startswith("W/")
