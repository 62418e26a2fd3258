"""Getting a file from a URL into a cache, verified."""

import fcntl
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import file_digest
from hashlib import sha256 as new_sha256
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from adapters.files.download import Download, Progress, public
from domain.errors import ChecksumMismatch, Misconfigured, NotFound, Unavailable

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSAFE = re.compile(r"[^\w.-]")


def fetch(
    url: str,
    sha256: str | None,
    cache_dir: Path,
    *,
    progress: Progress = lambda _done, _total: None,
    pause: Callable[[float], None] = time.sleep,
    timeout: float = 30.0,
) -> Path:
    """Return a copy of what is at a URL (http, https or file), named as it is there.

    With a checksum, what was fetched once is returned without asking again, verified each time.
    Without one, the server is asked whether it has changed. `progress` is told the bytes so far
    and the bytes in all, if known; `timeout` is for each single wait, in seconds.

    Raises:
        NotFound: there is nothing at the URL.
        Unavailable: it cannot be reached, or the cache cannot be written.
        ChecksumMismatch: something else is there; it is not kept.
        Misconfigured: the URL or the checksum is none.
    """
    expected = None if sha256 is None else sha256.strip().lower()
    if expected is not None and not _SHA256.fullmatch(expected):
        raise Misconfigured(f"{sha256!r} is not a SHA-256 checksum: 64 hexadecimal digits")
    scheme = _scheme(url)
    if scheme not in ("http", "https", "file"):
        raise Misconfigured(f"{public(url)} cannot be fetched; allowed: https, http and file URLs")
    target = cache_dir / (expected or f"url-{new_sha256(url.encode()).hexdigest()}") / _name(url)
    with _writing(cache_dir), _locked(target.parent):
        if expected and target.exists():
            if _digest(target) == expected:
                return target
            target.unlink()
        if scheme == "file":
            _copy(url, target, expected)
        else:
            Download(url, target, progress, pause, timeout)(_verifier(url, expected))
    return target


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme.lower()
    except ValueError as error:
        raise Misconfigured(f"{url!r} is not a URL: {error}") from error


def _copy(url: str, target: Path, expected: str | None) -> None:
    source = Path(unquote(urlsplit(url).path))
    if not source.is_file():
        raise NotFound(f"{public(url)}: there is no such file")
    partial = target.with_name(f"{target.name}.part")
    try:
        shutil.copyfile(source, partial)
        _verifier(url, expected)(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _verifier(url: str, expected: str | None) -> Callable[[Path], None]:
    def verify(path: Path) -> None:
        actual = expected and _digest(path)
        if actual != expected:
            raise ChecksumMismatch(
                f"{public(url)}: not the file that was asked for: its SHA-256 is {actual}, "
                f"expected was {expected}"
            )

    return verify


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _name(url: str) -> str:
    """Return the last part of the URL's path as a file name; its suffix says the format."""
    name = _UNSAFE.sub("_", unquote(PurePosixPath(urlsplit(url).path).name))
    return name[-100:].lstrip(".") or "file"


@contextmanager
def _writing(cache_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{cache_dir} cannot be written: {error.strerror or error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time fetch into a folder; the others find what it fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
