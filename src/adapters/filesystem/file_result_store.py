"""Results of experiments as JSON files in one folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.files.atomic_writes import os_errors_as_unavailable, plain_name, replace_file


class FileResults:
    """A `ResultStore` of one file per document; an incomplete file counts as missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> Mapping[str, Any] | None:
        path = self._path(name)
        with os_errors_as_unavailable(path):
            if not path.exists():
                return None
            content = path.read_bytes()
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def put(self, name: str, document: Mapping[str, Any]) -> None:
        path = self._path(name)
        with os_errors_as_unavailable(path):
            replace_file(path, json.dumps(document, allow_nan=False).encode() + b"\n")

    def _path(self, name: str) -> Path:
        return self._folder / plain_name(f"{name}.json")
