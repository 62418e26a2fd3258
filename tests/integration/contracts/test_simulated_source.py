from collections.abc import Mapping

import pytest

from adapters.simulator.simulated_source import COLUMNS, SimulatedSource
from application.ports import DataSource
from domain.data.feature import Kind
from tests.integration.contracts.data_source import DataSourceContract


class TestSimulatedSource(DataSourceContract):
    @pytest.fixture
    def source(self) -> DataSource:
        return SimulatedSource(60, seed=3)

    @pytest.fixture
    def kinds(self) -> Mapping[str, Kind]:
        return {
            name: Kind.CATEGORY if name == "ocean_proximity" else Kind.NUMBER for name in COLUMNS
        }
