from collections.abc import Callable

import pytest

from adapters.memory import MemorySource
from application.ports import DataSource
from domain.table import Table
from tests.integration.contracts.data_source import TableSourceContract


class TestMemorySource(TableSourceContract):
    @pytest.fixture
    def holding(self) -> Callable[[Table], DataSource]:
        return MemorySource
