"""Downloads of objects into the cache."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from adapters.files.download_cache import CachedFile, cached_file, safe_file_name
from adapters.objects.object_address import ObjectAddress, State
from domain.errors import ChecksumMismatch, NotFound

_BLOCK = 16 << 20


def fetch(
    url: str, cache_dir: Path, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Path:
    """Return a local copy of an object, with the same file name.

    A request checks whether the object has changed. An interrupted transfer is continued if the
    object is still the same.

    Raises:
        Misconfigured: the URL names no object.
        NotFound: the object does not exist.
        Unavailable: the store does not answer, or the cache cannot be written.
        ChecksumMismatch: the object was replaced during the transfer.
    """
    address = ObjectAddress.parse(url)
    state = address.state()
    if state is None:
        raise NotFound(f"{address}: there is no such object; the URL of a folder ends with a slash")
    return fetch_as(address, state, cache_dir, progress)


def fetch_as(
    address: ObjectAddress,
    state: State,
    cache_dir: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """Return a local copy of an object whose state is known; otherwise as `fetch`."""
    store = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    key = f"object-{sha256(f'{store} {address}'.encode()).hexdigest()}"
    with cached_file(cache_dir, key, safe_file_name(address.name)) as target:
        if target.tag != _tag(state) or target.path.stat().st_size != state.bytes:
            _receive(address, state, target, progress)
        return target.path


def _receive(
    address: ObjectAddress, state: State, target: CachedFile, progress: Callable[[int, int], None]
) -> None:
    if target.part_tag != _tag(state):
        target.start(_tag(state))
    with target.part.open("ab") as stream:
        while (done := stream.tell()) < state.bytes:
            block = address.read(done, min(done + _BLOCK, state.bytes))
            if not block:  # the object is shorter now
                break
            stream.write(block)
            stream.flush()
            progress(stream.tell(), state.bytes)
        os.fsync(stream.fileno())
    if address.state() != state or target.part.stat().st_size != state.bytes:
        target.discard()
        raise ChecksumMismatch(f"{address} was replaced during the transfer; run the same again")
    target.complete()


def _tag(state: State) -> str:
    return json.dumps(asdict(state))
