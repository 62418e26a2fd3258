import json
from pathlib import Path

import pytest

from adapters.filesystem.file_tracker import FileTracker
from tests.integration.contracts.tracker import (
    ORIGIN,
    ReadBack,
    Recorded,
    TrackerContract,
    flat,
    origin_of,
)


class TestFileTracker(TrackerContract):
    @pytest.fixture
    def tracker(self, tmp_path: Path) -> FileTracker:
        return FileTracker(tmp_path, ORIGIN)

    @pytest.fixture
    def recorded(self, tmp_path: Path) -> ReadBack:
        def read(run_id: str) -> Recorded:
            lines = (tmp_path / "runs.jsonl").read_bytes().splitlines()
            (run,) = [run for run in map(json.loads, lines) if run["id"] == run_id]
            folder = tmp_path / "artifacts" / run_id
            return Recorded(
                name=run["name"],
                status=run["status"],
                params=flat(run["params"]),
                metrics=run["metrics"],
                tags=run["tags"],
                artifacts={name: (folder / name).read_bytes() for name in run["artifacts"]},
                uri=run["data"]["uri"],
                sha256=run["data"]["sha256"],
                md5=run["data"]["md5"],
                title=run.get("title", ""),
                parent=run.get("parent", ""),
                origin=origin_of(run["tags"]),
            )

        return read
