"""Several objects of a store as one input: a folder, or a pattern."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from adapters.objects.object_address import ObjectAddress, State
from domain.data.dataset import is_data
from domain.errors import Misconfigured, NotFound

_ANY_FOLDERS, _ANY = "**/", "*"
_REGEX: dict[str, str] = {_ANY_FOLDERS: "(?:.*/)?", "**": ".*", _ANY: "[^/]*"}


@dataclass(frozen=True, slots=True)
class Listed:
    """An object with the state of the listing, and its name relative to the folder or pattern."""

    name: str
    address: ObjectAddress
    state: State


def is_several(url: str) -> bool:
    """Whether a URL names a folder, or objects by a pattern."""
    return url.endswith("/") or _ANY in url


def listed(url: str) -> list[Listed]:
    """Return the objects of a folder or pattern, in the order of their names.

    `is_data` selects the objects by name, as in a folder of files.

    Raises:
        Misconfigured: the URL names no objects, or the folder contains a folder that is not a
            partition `COLUMN=VALUE`.
        NotFound: there are no objects, or there is no such bucket.
        Unavailable: the store cannot be reached.
    """
    named = ObjectAddress.folder(url)
    root = named.key[: named.key.partition(_ANY)[0].rfind("/") + 1]
    pattern = named.key[len(root) :]
    belongs = _matching(pattern) if pattern else lambda _: True
    inside = ObjectAddress(named.bucket, root).inside()
    objects = [Listed(address.key[len(root) :], address, state) for address, state in inside]
    found = sorted((each for each in objects if is_data(each.name)), key=lambda each: each.name)
    found = [each for each in found if belongs(each.name)]
    if not found:
        raise NotFound(f"{named}: there are no objects to read")
    folders = [part for each in found for part in each.name.split("/")[:-1] if not pattern]
    within = next((folder for folder in folders if "=" not in folder), None)
    if within is not None:
        raise Misconfigured(
            f"{named} holds the folder {within!r}; to read objects in folders "
            f"too, name them by a pattern such as '{named}**/*.parquet'"
        )
    return found


def _matching(pattern: str) -> Callable[[str], bool]:
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    regex = re.compile("".join(_REGEX.get(part) or re.escape(part) for part in parts), re.DOTALL)
    return lambda name: regex.fullmatch(name) is not None
