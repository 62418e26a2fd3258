import pytest

from tests.fakes.tracking import MemoryTracker
from tests.integration.contracts.tracker import (
    ORIGIN,
    ReadBack,
    Recorded,
    TrackerContract,
    flat,
    origin_of,
)


class TestMemoryTracker(TrackerContract):
    @pytest.fixture
    def tracker(self) -> MemoryTracker:
        return MemoryTracker(ORIGIN)

    @pytest.fixture
    def recorded(self, tracker: MemoryTracker) -> ReadBack:
        def read(run_id: str) -> Recorded:
            (run,) = [run for run in tracker.runs if run.id == run_id]
            return Recorded(
                name=run.name,
                status=run.status,
                params=flat(run.params),
                metrics=run.metrics,
                tags=run.tags,
                artifacts=run.artifacts,
                uri=run.data.uri,
                sha256=run.data.sha256,
                md5=run.data.md5,
                title=run.title,
                parent=run.parent,
                origin=origin_of(run.tags),
            )

        return read
