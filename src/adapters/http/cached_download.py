"""Downloads of a URL into the cache, verified."""

import re
import shutil
import time
from collections.abc import Callable
from hashlib import file_digest
from hashlib import sha256 as new_sha256
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from adapters.files.download_cache import (
    CachedFile,
    cached_file,
    safe_file_name,
    url_without_secrets,
)
from adapters.http.resumable_download import Download, Progress
from domain.errors import ChecksumMismatch, Misconfigured, NotFound

_SHA256 = re.compile(r"[0-9a-f]{64}")


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

    With a checksum, a file in the cache is verified and returned without a request. Without one,
    the server is asked whether the file has changed. `progress` receives the bytes so far and the
    total, if known; `timeout` is for each single wait, in seconds.

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
            Download(url, target, progress, pause, timeout)(_verifier(url, expected))
        return target.path


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
        _verifier(url, expected)(target.part)
        target.part.replace(target.path)
    finally:
        target.discard()


def _verifier(url: str, expected: str | None) -> Callable[[Path], None]:
    def verify(path: Path) -> None:
        actual = expected and _digest(path)
        if actual != expected:
            raise ChecksumMismatch(
                f"{url_without_secrets(url)}: the SHA-256 is {actual}, expected was {expected}"
            )

    return verify


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
