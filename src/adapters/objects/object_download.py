"""Getting an object into a cache."""

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from adapters.objects.object_location import ObjectPlace, State
from domain.errors import ChecksumMismatch, NotFound, Unavailable

_BLOCK = 16 << 20
_UNSAFE = re.compile(r"[^\w.-]")


def fetch(
    url: str, cache_dir: Path, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Path:
    """Return a copy of an object, named as it is there.

    The store is asked whether it has changed. A transfer that was broken off goes on where it
    was, if the object is still the same.

    Raises:
        Misconfigured: the URL names no object.
        NotFound: there is no such object.
        Unavailable: the store cannot be reached, or the cache cannot be written.
        ChecksumMismatch: the object was replaced in the meantime.
    """
    place = ObjectPlace.parse(url)
    state = place.state()
    if state is None:
        raise NotFound(
            f"{place}: there is no such object; a folder is named with a slash at its end"
        )
    return fetch_as(place, state, cache_dir, progress)


def fetch_as(
    place: ObjectPlace,
    state: State,
    cache_dir: Path,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Path:
    """Return a copy of an object that was in that state a moment ago; otherwise as `fetch`."""
    store = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    folder = cache_dir / f"object-{sha256(f'{store} {place}'.encode()).hexdigest()}"
    target = folder / safe_name(place)
    with _locked(folder, cache_dir):
        if not _is(target, state):
            _receive(place, state, target, progress)
    return target


def safe_name(place: ObjectPlace) -> str:
    """Return a file name for an object, with the same suffix."""
    return _UNSAFE.sub("_", place.name)[-100:].lstrip(".") or "object"


def _receive(
    place: ObjectPlace, state: State, target: Path, progress: Callable[[int, int], None]
) -> None:
    partial = target.with_name(f"{target.name}.part")
    if _known(partial) != state:
        partial.unlink(missing_ok=True)
        _tag(partial).write_text(json.dumps(asdict(state)))
    with partial.open("ab") as stream:
        while (done := stream.tell()) < state.bytes:
            block = place.read(done, min(done + _BLOCK, state.bytes))
            if not block:  # it has become shorter, which is said below
                break
            stream.write(block)
            stream.flush()
            progress(stream.tell(), state.bytes)
        os.fsync(stream.fileno())
    if place.state() != state or partial.stat().st_size != state.bytes:
        partial.unlink()
        raise ChecksumMismatch(f"{place} was replaced while it was fetched; run the same again")
    _tag(target).unlink(missing_ok=True)
    partial.replace(target)
    _tag(partial).replace(_tag(target))


def _is(path: Path, state: State) -> bool:
    return path.exists() and path.stat().st_size == state.bytes and _known(path) == state


def _known(path: Path) -> State | None:
    try:
        return State(**json.loads(_tag(path).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _tag(path: Path) -> Path:
    return path.with_name(f"{path.name}.tag")


@contextmanager
def _locked(folder: Path, cache_dir: Path) -> Iterator[None]:
    """Let one process at a time fetch into a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise Unavailable(f"{cache_dir} cannot be written: {error.strerror or error}") from error
