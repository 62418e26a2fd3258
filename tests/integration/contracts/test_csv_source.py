from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from adapters.arrow.reading.csv_source import CsvSource
from application.ports import DataSource
from domain.data.table import Table
from tests.integration.contracts.data_source import TableSourceContract
from tests.integration.contracts.files import write_table


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst"])
class TestCsvSource(TableSourceContract):
    @pytest.fixture
    def holding(self, tmp_path: Path, suffix: str) -> Callable[[Table], DataSource]:
        numbers = count()

        def hold(table: Table) -> DataSource:
            path = tmp_path / f"table-{next(numbers)}{suffix}"
            return CsvSource(write_table(path, table))

        return hold
