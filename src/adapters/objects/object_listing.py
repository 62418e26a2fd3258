"""Several objects of a store as one input: a folder, or a pattern."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from adapters.objects.object_location import ObjectPlace, State
from domain.data.dataset import is_data
from domain.errors import Misconfigured, NotFound

_ANY_FOLDERS, _ANY = "**/", "*"
_REGEX: dict[str, str] = {_ANY_FOLDERS: "(?:.*/)?", "**": ".*", _ANY: "[^/]*"}


@dataclass(frozen=True, slots=True)
class Listed:
    """An object, in the state it was listed in, and its name from the folder or pattern on."""

    name: str
    place: ObjectPlace
    state: State


def is_several(url: str) -> bool:
    """Whether a URL names a folder, or objects by a pattern."""
    return url.endswith("/") or _ANY in url


def listed(url: str) -> list[Listed]:
    """Return the objects of a folder or pattern, in the order of their names.

    What counts is what counts in a folder of files, see `is_data`.

    Raises:
        Misconfigured: the URL names no objects, or the folder holds a folder.
        NotFound: there are none, or no such bucket.
        Unavailable: the store cannot be reached.
    """
    named = ObjectPlace.folder(url)
    root = named.key[: named.key.partition(_ANY)[0].rfind("/") + 1]
    pattern = named.key[len(root) :]
    belongs = _matching(pattern) if pattern else lambda _: True
    inside = ObjectPlace(named.bucket, root).inside()
    whole = [Listed(place.key[len(root) :], place, state) for place, state in inside]
    found = sorted((each for each in whole if is_data(each.name)), key=lambda each: each.name)
    found = [each for each in found if belongs(each.name)]
    if not found:
        raise NotFound(f"{named}: there are no objects to read")
    within = next((each.name for each in found if not pattern and "/" in each.name), None)
    if within is not None:
        raise Misconfigured(
            f"{named} holds the folder {within.partition('/')[0]!r}; to read what is in folders "
            f"too, name them by a pattern such as '{named}**/*.parquet'"
        )
    return found


def _matching(pattern: str) -> Callable[[str], bool]:
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    whole = re.compile("".join(_REGEX.get(part) or re.escape(part) for part in parts), re.DOTALL)
    return lambda name: whole.fullmatch(name) is not None
