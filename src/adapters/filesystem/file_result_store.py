"""Results of experiments as JSON files in one folder."""

from pathlib import Path
from typing import TypeVar

from adapters.files.atomic_writes import os_errors_as_unavailable, plain_name, replace_file
from adapters.formats.experiment_results import decode_result, encode_result

Result = TypeVar("Result")


class FileResults:
    """A `ResultStore` of one file per document; an incomplete file counts as missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str, form: type[Result]) -> Result | None:
        path = self._path(name)
        with os_errors_as_unavailable(path):
            return decode_result(path.read_bytes(), form) if path.exists() else None

    def put(self, name: str, document: object) -> None:
        path = self._path(name)
        with os_errors_as_unavailable(path):
            replace_file(path, encode_result(document))

    def _path(self, name: str) -> Path:
        return self._folder / plain_name(f"{name}.json")
