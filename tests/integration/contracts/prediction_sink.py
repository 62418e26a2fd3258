"""The contract of every prediction sink.

A subclass provides the fixtures `reopened`, which returns a sink on the same output as another
process would, `read_back`, which returns the rows and the rejects that a job left there, and
`remove_rows` and `remove_rejects`, which take some of what a published job left.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any, Protocol

import numpy as np
import pytest

from application.ports import FinishedJob, PredictionSink, PublishedOutput
from domain.data.table import Coded, Table
from domain.errors import Conflict, Unavailable, Violation
from domain.scoring.batch_job import MODEL, PREDICTION, ROW, BatchJob, ChunkReceipt, Reject

JOB = BatchJob(
    "ab" * 32, "orchard/1", "cd" * 32, chunk_rows=3, keep=("id", "note"), row_number=True
)
OTHER_JOB = replace(JOB, model="orchard/2")
NOTES = ("plain", "with, comma", 'a "quoted" word', "line\nbreak", None, "Zürich", "\\ back")
VALUES = (452600.0, 0.1 + 0.2, 1e-300, -1.5, 1e21, 123456.789012345, 3.0)


@dataclass(frozen=True)
class Written:
    """The output of a job: rows by column, in order, and mappings of the rejects."""

    rows: dict[str, list[Any]]
    rejects: list[dict[str, Any]]


Reopened = Callable[[], PredictionSink]
Damage = Callable[[BatchJob], None]


class ReadBack(Protocol):
    def __call__(self, job: BatchJob, published: PublishedOutput) -> Written: ...


def part(first: int, rows: int = 3) -> Table:
    """Return scored rows whose ids count from `first`."""
    ids = np.arange(first, first + rows)
    notes = [NOTES[i % len(NOTES)] for i in ids.tolist()]
    return Table(
        {
            "id": ids,
            "note": np.fromiter(notes, dtype=object, count=rows),
            ROW: ids + 1,
            PREDICTION: np.array([VALUES[i % len(VALUES)] for i in ids.tolist()], dtype=float),
            MODEL: Coded(np.zeros(rows, dtype=np.int32), ("orchard/1",)),
        },
        rows,
    )


def reject(row: int) -> Reject:
    faults = [
        Violation(row - 1, "age", "is missing", "an integer (years)"),
        Violation(row - 1, "sort", "is not a known category", "one of 'apple', 'plüm'"),
    ]
    return Reject(row, tuple(faults[: 1 + row % 2]))


def expected(*tables: Table, rejects: Sequence[Reject] = ()) -> Written:
    whole = Table.concat(tables)
    rows = {name: np.asarray(column).tolist() for name, column in whole.columns.items()}
    return Written(rows, [each.to_mapping() for each in rejects])


class PredictionSinkContract:
    def test_a_new_job_has_no_completed_chunks(self, reopened: Reopened) -> None:
        assert dict(reopened().completed_chunks(JOB)) == {}

    def test_published_rows_are_those_that_were_written(
        self, reopened: Reopened, read_back: ReadBack
    ) -> None:
        sink = reopened()
        assert sink.write_chunk(JOB, 0, part(0), []) == ChunkReceipt(0, 3, 0)
        assert sink.write_chunk(JOB, 1, part(3), [reject(7)]) == ChunkReceipt(1, 3, 1)
        assert sink.write_chunk(JOB, 2, part(6, 1), [reject(9), reject(10)]) == ChunkReceipt(
            2, 1, 2
        )
        found = read_back(JOB, sink.publish(JOB, 3))
        rejects = [reject(7), reject(9), reject(10)]
        assert found == expected(part(0), part(3), part(6, 1), rejects=rejects)

    def test_a_chunk_without_rows_is_an_output(self, reopened: Reopened) -> None:
        sink = reopened()
        assert sink.write_chunk(JOB, 0, part(0, 0), []) == ChunkReceipt(0, 0, 0)
        published = sink.publish(JOB, 1)
        assert published.rejects is None
        assert reopened().finished(JOB) == FinishedJob(published, 1, 0, 0)

    def test_an_interrupted_job_resumes(self, reopened: Reopened, read_back: ReadBack) -> None:
        first = reopened()
        first.write_chunk(JOB, 0, part(0), [reject(2)])
        first.write_chunk(JOB, 2, part(6), [])
        second = reopened()
        assert dict(second.completed_chunks(JOB)) == {
            0: ChunkReceipt(0, 3, 1),
            2: ChunkReceipt(2, 3, 0),
        }
        second.write_chunk(JOB, 1, part(3), [])
        found = read_back(JOB, second.publish(JOB, 3))
        assert found == expected(part(0), part(3), part(6), rejects=[reject(2)])

    def test_jobs_do_not_see_each_others_chunks(self, reopened: Reopened) -> None:
        sink = reopened()
        sink.write_chunk(JOB, 0, part(0), [])
        assert dict(sink.completed_chunks(OTHER_JOB)) == {}
        sink.write_chunk(OTHER_JOB, 1, part(3), [reject(1)])
        assert dict(sink.completed_chunks(JOB)) == {0: ChunkReceipt(0, 3, 0)}

    def test_a_chunk_that_is_written_again_replaces_the_first(
        self, reopened: Reopened, read_back: ReadBack
    ) -> None:
        sink = reopened()
        sink.write_chunk(JOB, 0, part(90), [reject(1), reject(2)])
        sink.write_chunk(JOB, 1, part(3), [])
        sink.write_chunk(JOB, 0, part(0, 2), [reject(3)])
        assert sink.completed_chunks(JOB)[0] == ChunkReceipt(0, 2, 1)
        found = read_back(JOB, sink.publish(JOB, 2))
        assert found == expected(part(0, 2), part(3), rejects=[reject(3)])

    def test_rows_are_in_the_order_of_the_chunks(
        self, reopened: Reopened, read_back: ReadBack
    ) -> None:
        sink, order = reopened(), [11, 3, 0, 10, 7, 2, 9, 1, 5, 8, 4, 6]
        for index in order:
            sink.write_chunk(JOB, index, part(3 * index), [reject(3 * index + 1)])
        found = read_back(JOB, sink.publish(JOB, len(order)))
        rejects = [reject(3 * index + 1) for index in sorted(order)]
        assert found == expected(*(part(3 * index) for index in sorted(order)), rejects=rejects)

    def test_without_rejects_there_is_no_rejects_file(
        self, reopened: Reopened, read_back: ReadBack
    ) -> None:
        sink = reopened()
        sink.write_chunk(JOB, 0, part(0), [])
        published = sink.publish(JOB, 1)
        assert published.rejects is None
        assert read_back(JOB, published).rejects == []

    def test_a_chunk_may_be_all_rejects(self, reopened: Reopened, read_back: ReadBack) -> None:
        sink = reopened()
        rejects = [reject(1), reject(2), reject(3)]
        sink.write_chunk(JOB, 0, part(0)[0:0], rejects)
        sink.write_chunk(JOB, 1, part(3), [])
        assert sink.completed_chunks(JOB)[0] == ChunkReceipt(0, 0, 3)
        assert read_back(JOB, sink.publish(JOB, 2)) == expected(part(3), rejects=rejects)

    def test_rejects_of_several_files_name_file_and_row(
        self, reopened: Reopened, read_back: ReadBack
    ) -> None:
        sink = reopened()
        rejects = [
            replace(reject(1), file="plüms/01.csv", row_in_file=1),
            replace(reject(4), file="plüms/02.csv", row_in_file=2),
        ]
        sink.write_chunk(JOB, 0, part(0), rejects)
        assert read_back(JOB, sink.publish(JOB, 1)) == expected(part(0), rejects=rejects)

    def test_a_job_with_a_missing_chunk_is_not_published(
        self, reopened: Reopened, read_back: ReadBack
    ) -> None:
        sink = reopened()
        sink.write_chunk(JOB, 0, part(0), [])
        sink.write_chunk(JOB, 2, part(6), [])
        with pytest.raises(Unavailable, match="chunk 1 of 3"):
            sink.publish(JOB, 3)
        sink.write_chunk(JOB, 1, part(3), [])
        assert read_back(JOB, sink.publish(JOB, 3)) == expected(part(0), part(3), part(6))

    def test_a_job_that_is_run_again_leaves_the_same(
        self, reopened: Reopened, read_back: ReadBack
    ) -> None:
        found = []
        for _ in range(2):
            sink = reopened()
            assert dict(sink.completed_chunks(JOB)) == {}
            sink.write_chunk(JOB, 0, part(0), [reject(4)])
            sink.write_chunk(JOB, 1, part(3), [])
            found.append(read_back(JOB, sink.publish(JOB, 2)))
        assert found[0] == found[1] == expected(part(0), part(3), rejects=[reject(4)])

    def test_a_job_is_finished_only_after_publishing(self, reopened: Reopened) -> None:
        sink = reopened()
        assert sink.finished(JOB) is None
        sink.write_chunk(JOB, 0, part(0), [reject(4), reject(5)])
        assert sink.finished(JOB) is None
        sink.write_chunk(JOB, 1, part(3, 1), [])
        assert sink.finished(JOB) is None
        published = sink.publish(JOB, 2)
        assert reopened().finished(JOB) == FinishedJob(published, chunks=2, scored=4, rejected=2)
        assert sink.finished(OTHER_JOB) is None

    @pytest.mark.parametrize("what", ["rows", "rejects"])
    def test_removed_rows_or_rejects_are_written_again(
        self,
        reopened: Reopened,
        read_back: ReadBack,
        remove_rows: Damage,
        remove_rejects: Damage,
        what: str,
    ) -> None:
        def run() -> PublishedOutput:
            sink = reopened()
            sink.write_chunk(JOB, 0, part(0), [reject(4)])
            sink.write_chunk(JOB, 1, part(3), [reject(9)])
            return sink.publish(JOB, 2)

        published = run()
        remove = remove_rows if what == "rows" else remove_rejects
        remove(JOB)
        assert reopened().finished(JOB) is None
        assert run() == published
        assert reopened().finished(JOB) == FinishedJob(published, 2, 6, 2)
        assert read_back(JOB, published) == expected(
            part(0), part(3), rejects=[reject(4), reject(9)]
        )

    def test_a_locked_job_is_refused_to_another_run(self, reopened: Reopened) -> None:
        with reopened().locked(JOB):
            with pytest.raises(Conflict, match="another run"), reopened().locked(JOB):
                pytest.fail("two concurrent runs")
            with pytest.raises(Conflict), reopened().locked(JOB):
                pytest.fail("the second attempt released the lock of the first run")
        with reopened().locked(JOB):
            pass

    def test_a_run_that_fails_releases_the_lock(self, reopened: Reopened) -> None:
        with pytest.raises(Unavailable, match="full"), reopened().locked(JOB):
            raise Unavailable("full")
        with reopened().locked(JOB):
            reopened().write_chunk(JOB, 0, part(0), [])

    def test_chunks_may_be_written_concurrently(
        self, reopened: Reopened, read_back: ReadBack
    ) -> None:
        sink = reopened()
        with ThreadPoolExecutor(4) as threads:
            begun = [
                threads.submit(
                    sink.write_chunk, JOB, index, part(3 * index), [reject(3 * index + 1)]
                )
                for index in range(8)
            ]
        assert [future.result() for future in begun] == [
            ChunkReceipt(index, 3, 1) for index in range(8)
        ]
        rejects = [reject(3 * index + 1) for index in range(8)]
        found = read_back(JOB, sink.publish(JOB, 8))
        assert found == expected(*(part(3 * index) for index in range(8)), rejects=rejects)


class SharedSinkContract(PredictionSinkContract):
    """For sinks whose copies in other processes write to the same output."""

    def test_copies_in_other_processes_write_to_the_same_output(
        self, reopened: Reopened, read_back: ReadBack
    ) -> None:
        sink = reopened()
        with sink.locked(JOB):
            with ProcessPoolExecutor(2, get_context("spawn")) as processes:
                written = list(processes.map(partial(_write, sink), range(4)))
            assert written == [ChunkReceipt(index, 3, 1) for index in range(4)]
            assert dict(sink.completed_chunks(JOB)) == {
                receipt.index: receipt for receipt in written
            }
            published = sink.publish(JOB, 4)
        rejects = [reject(3 * index + 1) for index in range(4)]
        found = read_back(JOB, published)
        assert found == expected(*(part(3 * index) for index in range(4)), rejects=rejects)


def _write(sink: PredictionSink, index: int) -> ChunkReceipt:
    return sink.write_chunk(JOB, index, part(3 * index), [reject(3 * index + 1)])
