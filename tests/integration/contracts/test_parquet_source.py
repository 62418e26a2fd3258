from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from adapters.arrow.reading.parquet_source import ParquetSource
from application.ports import DataSource
from domain.data.table import Table
from tests.integration.contracts.data_source import TableSourceContract
from tests.integration.contracts.files import write_table


class TestParquetSource(TableSourceContract):
    @pytest.fixture
    def holding(self, tmp_path: Path) -> Callable[[Table], DataSource]:
        numbers = count()

        def hold(table: Table) -> DataSource:
            path = tmp_path / f"table-{next(numbers)}.parquet"
            return ParquetSource(write_table(path, table))

        return hold
