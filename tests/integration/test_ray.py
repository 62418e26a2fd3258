"""A real Ray cluster of two nodes on this machine, and what becomes of a job when it breaks.

One file, so that one process runs all of it and the cluster is started once.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from adapters.ray.executor import RayExecutor
from application.ports import Executor
from tests.integration.contracts.executor import ExecutorContract

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ROWS, CHUNK = 1_200, 50
NODE: Mapping[str, Any] = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster with two nodes of one core each, to which this process is connected."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(ROOT))  # what tests send, workers import
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        started: Any = Cluster(
            initialize_head=True, head_node_args={**NODE, "include_dashboard": False}
        )
        try:
            started.add_node(**NODE)
            ray.init(address=started.address, log_to_driver=False)
            yield started
        finally:
            ray.shutdown()
            started.shutdown()


class TestRayExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, cluster: Cluster) -> Executor:
        return RayExecutor(cluster.address)
