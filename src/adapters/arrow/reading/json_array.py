"""JSON files with an array of objects, or with objects over several lines, as JSON Lines."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from adapters.arrow.reading.compressed_file import disk_errors, input_file
from adapters.files.temporary_folders import temporary_folder
from domain.errors import UnreadableData

_SPACE = re.compile(r"[ \t\r\n]*")
_LINE_ENDS = str.maketrans("\r\n", "  ")  # in JSON they are never part of a text


def as_json_lines(path: Path, encoding: str | None) -> tuple[Path, Callable[[], None]]:
    """Return a file with a line for each element, as it is written, and the function to remove it.

    The whole file is held in memory.

    Raises:
        UnreadableData: the file is not JSON.
        NotFound, Unavailable: it cannot be read.
    """
    with input_file(path, encoding).opened() as stream:
        content = stream.read()
    try:
        lines = "".join(
            f"{each.translate(_LINE_ENDS)}\n" for each in _elements(content.decode("utf-8-sig"))
        )
    except (ValueError, RecursionError) as error:
        raise UnreadableData(f"{path} is not JSON: {error}") from error
    with disk_errors(path):
        folder, remove = temporary_folder("lines")
        (folder / "content.jsonl").write_text(lines, encoding="utf-8", newline="")
    return folder / "content.jsonl", remove


def _elements(text: str) -> Iterator[str]:
    """Yield the text of each element of an array, or of each of several values.

    Raises:
        ValueError: the text is neither.
    """
    decoder, position = json.JSONDecoder(), _after_space(text, 0)
    is_array = text.startswith("[", position)
    position = _after_space(text, position + is_array)
    is_end = is_array and text.startswith("]", position)
    while not is_end and (is_array or position < len(text)):
        _, end = decoder.raw_decode(text, position)
        yield text[position:end]
        position = _after_space(text, end)
        is_end = is_array and text.startswith("]", position)
        if is_array and not is_end:
            if not text.startswith(",", position):
                raise json.JSONDecodeError(
                    "a comma or the end of the array is missing", text, position
                )
            position = _after_space(text, position + 1)
    if is_end and _after_space(text, position + 1) < len(text):
        raise json.JSONDecodeError("there is content after the array", text, position)


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    assert found is not None  # the pattern matches anywhere
    return found.end()
