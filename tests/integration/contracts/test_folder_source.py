from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path

import pytest

from adapters.arrow.open_by_suffix import open_source
from application.ports import DataSource
from domain.data.table import Table
from tests.integration.contracts.data_source import TableSourceContract
from tests.integration.contracts.files import write_table


@pytest.mark.parametrize(
    ("suffixes", "pattern"),
    [
        ((".csv", ".csv.gz", ".csv"), "{}"),
        ((".parquet",) * 3, "{}/**/*.parquet"),
        ((".jsonl",) * 3, "{}/*.jsonl"),
    ],
)
class TestFolderSource(TableSourceContract):
    @pytest.fixture
    def holding(
        self, tmp_path: Path, suffixes: tuple[str, ...], pattern: str
    ) -> Callable[[Table], DataSource]:
        numbers = count()

        def hold(table: Table) -> DataSource:
            folder = tmp_path / f"table-{next(numbers)}"
            folder.mkdir()
            cuts = pairwise([0, 25, 26, len(table)])
            for place, ((start, end), suffix) in enumerate(zip(cuts, suffixes, strict=True)):
                write_table(folder / f"part-{place}{suffix}", table[start:end])
            (folder / "_SUCCESS").touch()
            (folder / ".part-0.csv.receipt.json").touch()
            (folder / "part-0.csv.rejects.jsonl").touch()
            return open_source(Path(pattern.format(folder)))

        return hold
