from collections.abc import Callable

import pytest

from application.ports import DataSource
from domain.data.table import Table
from tests.fakes.data import MemorySource
from tests.integration.contracts.data_source import TableSourceContract


class TestMemorySource(TableSourceContract):
    @pytest.fixture
    def holding(self) -> Callable[[Table], DataSource]:
        return MemorySource
