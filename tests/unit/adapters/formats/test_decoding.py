from dataclasses import dataclass

import pytest

from adapters.formats.decoding import Decoder
from domain.errors import Misconfigured


@dataclass
class Door:
    locked: bool
    keys: dict[str, int]


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b'{"locked": true, "keys": {}, "locked": false}', "locked"),
        (b'{"locked": true, "keys": {"front": 1, "fr\\u006fnt": 2}}', "front"),
    ],
)
def test_a_key_that_is_given_twice_is_refused(content: bytes, key: str) -> None:
    with pytest.raises(Misconfigured, match=f"door.json: the key '{key}' is given twice"):
        Decoder[Door](Door).json(content, "door.json")
    with pytest.raises(Misconfigured, match=r"door.json: the key is given twice"):
        Decoder[Door](Door, secret=True).json(content, "door.json")
