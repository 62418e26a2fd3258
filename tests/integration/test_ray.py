"""A Ray cluster of two nodes on this machine, and jobs that lose workers, nodes and the head.

One file, so that one process runs all of it and the cluster is started once.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray.cluster_utils import Cluster

from adapters.arrow.open_by_suffix import open_sink
from adapters.arrow.reading.parquet_source import ParquetSource
from adapters.formats.manifest_file import read_manifest
from adapters.local.executors import ThreadExecutor
from adapters.ray.ray_executor import RayExecutor, WorkerTask
from adapters.sql.sql_sink import SqlSink
from application.model.load_model import LoadModel
from application.ports import Executor, PredictionSink, Runtime
from application.scoring.predict_batch import BatchOptions, PredictBatch
from domain.data.dataset import Chunk
from domain.data.table import Table, plain
from domain.errors import Misconfigured, NotFound, Unavailable
from domain.model.reference import ModelRef
from domain.scoring.batch_job import BatchReport
from tests.fakes.model import MemoryStore
from tests.integration.contracts.executor import ExecutorContract
from tests.integration.contracts.files import write_table
from tests.integration.program import Place, place
from tests.integration.sabotage import Harm, HarmfulSink, TellingRuntime
from tests.integration.sql.tables import rows_of
from tests.support.samples import NAME, sample_bundle, sample_table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ROWS, CHUNK = 2_000, 100
QUICK = {"health_check_period_ms": 500, "health_check_failure_threshold": 2}
NODE: Mapping[str, Any] = {"num_cpus": 1, "object_store_memory": 80 << 20}


@dataclass
class TwoNodes:
    """A cluster with two nodes of one core each, to which this process is connected."""

    cluster: Any

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def head(self) -> int:
        """The process of the node that must not be killed."""
        return int(self.cluster.head_node.all_processes["raylet"][0].process.pid)

    def connect(self) -> None:
        """Connect this process once, which saves each job a second."""
        ray.init(address=self.address, log_to_driver=False)

    def heal(self) -> None:
        """Replace a killed node."""
        for node in [*self.cluster.worker_nodes]:
            if node.any_processes_alive() and not node.all_processes["raylet"][0].process.poll():
                return
            self.cluster.remove_node(node, allow_graceful=False)
        self.cluster.add_node(**NODE)


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[TwoNodes]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(ROOT))  # workers import the tests
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        head = {**NODE, "include_dashboard": False, "_system_config": QUICK}
        nodes = TwoNodes(Cluster(initialize_head=True, head_node_args=head))
        try:
            nodes.cluster.add_node(**NODE)
            nodes.connect()
            yield nodes
        finally:
            ray.shutdown()
            nodes.cluster.shutdown()


@pytest.fixture
def unconnected(two_nodes: TwoNodes) -> Iterator[TwoNodes]:
    """The cluster; a job connects by itself, as the command does."""
    ray.shutdown()
    yield two_nodes
    two_nodes.connect()


class TestRayExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, two_nodes: TwoNodes) -> Executor:
        return RayExecutor(two_nodes.address)


@dataclass(frozen=True)
class Job:
    """Two thousand rows in a file, some with violations, and a model for them."""

    folder: Path
    store: MemoryStore
    source: Path

    def run(self, executor: Executor, sink: PredictionSink, runtime: Runtime) -> BatchReport:
        predict = PredictBatch(LoadModel(self.store, runtime, read_manifest), executor)
        ref = ModelRef(NAME, None, 1)
        return predict(
            ParquetSource(self.source),
            sink,
            ref,
            BatchOptions(keep=["sort", "yield"], chunk_rows=CHUNK),
        )

    def marks(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder


@pytest.fixture
def job(tmp_path: Path) -> Job:
    table = sample_table(ROWS)
    height = plain(table.column("height")).copy()
    height[::97] = 99.0
    store = MemoryStore()
    store.save(NAME, sample_bundle(), datetime.now(UTC), {})
    rows = Table.of({**table.columns, "height": height})
    return Job(tmp_path, store, write_table(tmp_path / "in.parquet", rows))


@dataclass(frozen=True)
class Output:
    """A sink, and a function that returns what it wrote."""

    sink: PredictionSink
    content: Callable[[], Any]


def file_output(path: Path) -> Output:
    rejects = path.with_name(f"{path.name}.rejects.jsonl")
    return Output(open_sink(path), lambda: (path.read_bytes(), rejects.read_bytes()))


def table_output(url: str, name: str) -> Output:
    def content() -> Any:
        rows = rows_of(url, f'SELECT * FROM {name} ORDER BY job, chunk, "row"')
        return rows, rows_of(url, f'SELECT * FROM {name}_rejects ORDER BY job, chunk, "row", error')

    return Output(SqlSink(f"{url}#{name}"), content)


@pytest.fixture
def outputs(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> tuple[Output, Output]:
    """Two outputs of one kind."""
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_url")
        return table_output(url, "here"), table_output(url, "there")
    here, there = (tmp_path / name / f"out.{kind}" for name in ("here", "there"))
    return file_output(here), file_output(there)


@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        ("parquet", "nothing"),
        ("csv", "workers"),
        ("csv", "a node"),
        ("postgresql", "workers"),
        ("postgresql", "a node"),
    ],
)
def test_the_output_is_that_of_one_machine_whatever_is_lost(
    unconnected: TwoNodes,
    job: Job,
    outputs: tuple[Output, Output],
    lost: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    unconnected.heal()
    here, there = outputs
    expected = job.run(ThreadExecutor(), here.sink, TellingRuntime(job.marks("loads-here")))
    harm = {
        "nothing": Harm(job.marks("harm")),
        "workers": Harm(job.folder / "harm", frozenset({3, 10}), frozenset({6, 15})),
        "a node": Harm(job.folder / "harm", node_from=5, spared=unconnected.head),
    }[lost]
    runtime = TellingRuntime(job.marks("loads-there"))
    sink = HarmfulSink(there.sink, harm)
    report = job.run(RayExecutor(unconnected.address), sink, runtime)
    assert len(harm.done) == {"nothing": 0, "workers": 4, "a node": 1}[lost]
    assert there.content() == here.content()
    assert (report.job, report.rows, report.chunks) == (expected.job, ROWS, ROWS // CHUNK)
    assert report.rejected == expected.rejected == len(np.arange(0, ROWS, 97))
    loads = runtime.loads
    assert os.getpid() in loads, "the driver checks the model too"
    assert len({*loads}) == len(loads), "each process loads the model once"
    # Without losses Ray decides how many processes share a job.
    assert len({*loads} - {os.getpid()}) >= (1 if lost == "nothing" else 2)
    assert capfd.readouterr().out == "", "only the result may stand on stdout"


def test_a_worker_that_is_lost_each_time_ends_the_job(two_nodes: TwoNodes, tmp_path: Path) -> None:
    two_nodes.heal()
    with pytest.raises(Unavailable, match=r"lost a worker for the same item 4 times"):
        list(RayExecutor(two_nodes.address).map(die, range(3), 2))


def die(item: int) -> int:
    if item == 1:
        os.abort()
    return item


def test_a_cluster_without_cores_or_head_ends_the_job() -> None:
    coreless = {**NODE, "num_cpus": 0, "include_dashboard": False, "_system_config": QUICK}
    cluster: Any = Cluster(initialize_head=True, head_node_args=coreless)
    try:
        cluster.add_node(**NODE)
        head = [
            each.process.pid
            for processes in cluster.head_node.all_processes.values()
            for each in processes
        ]
        # Ray may end a process whose head is lost, so another process connects.
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            without_cores, without_head = apart.submit(given_up, cluster.address, head).result()
    finally:
        cluster.shutdown()
    assert re.search("no node with a core, for 2 seconds .* are kept", without_cores)
    assert re.search("no head that answers, for 2 seconds .* are kept", without_head)


def given_up(address: str, head: list[int]) -> tuple[str, str]:
    """Return the errors after the loss of the only core, and of the head."""
    executor = RayExecutor(address, timeout=2)

    def items() -> Iterator[int]:
        yield 0
        for process in head:
            os.kill(process, signal.SIGKILL)
        yield 0

    results = executor.map(take_down, range(3), 2)
    assert next(results) == 0
    with pytest.raises(Unavailable) as without_cores:
        next(results)
    with pytest.raises(Unavailable) as without_head:
        list(executor.map(take_down, items(), 2))
    return str(without_cores.value), str(without_head.value)


def take_down(item: int) -> int:
    if item == 1:
        for process in (os.getppid(), os.getpid()):
            os.kill(process, signal.SIGKILL)
    return item


def test_a_file_that_a_node_does_not_have_is_named(two_nodes: TwoNodes, job: Job) -> None:
    source = ParquetSource(job.source)
    chunk = next(source.plan(CHUNK))
    job.source.rename(job.folder / "elsewhere.parquet")
    with pytest.raises(NotFound, match=r"in\.parquet.*storage that all machines of the cluster"):
        list(RayExecutor(two_nodes.address).map(read, [(source, chunk)]))


def read(order: tuple[ParquetSource, Chunk]) -> int:
    source, chunk = order
    return len(source.read(chunk, {"height": None}))


def test_a_folder_that_a_node_does_not_have_is_named(two_nodes: TwoNodes, tmp_path: Path) -> None:
    task = WorkerTask("a task", [ray.put(str)], tmp_path / "not there")
    with pytest.raises(Unavailable, match=r"not there does not exist on .*in a folder that all"):
        list(RayExecutor(two_nodes.address).map(task, range(3)))


@dataclass(frozen=True)
class Foreign:
    """A task that a worker of another release cannot import."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return import_module, ("modelport_of_tomorrow",)

    def __call__(self, item: int) -> int:
        return item


def test_a_module_that_a_worker_does_not_have_is_named(two_nodes: TwoNodes) -> None:
    with pytest.raises(Unavailable, match=r"same release of modelport .*modelport_of_tomorrow"):
        list(RayExecutor(two_nodes.address).map(Foreign(), range(3)))


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "cluster", "1.2.3.4", ":6379"])
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(Misconfigured, match=r"^RAY_ADDRESS: .* is not allowed; allowed: HOST:PORT"):
        list(RayExecutor(address).map(str, range(3)))


@pytest.fixture
def trained(tmp_path: Path) -> Place:
    made = place(tmp_path, MODELPORT_DATA="sample:400", MODELPORT_ENGINE="ray")
    made.good("train", "--estimator", "ridge")
    made.good("data", "sample", "--rows", "1000", "--out", "in.csv")
    made.good("predict", "in.csv", "local.csv", "--engine", "local", "--chunk-rows", "100")
    return made


@pytest.mark.parametrize("named", [True, False], ids=["a cluster", "a cluster of its own"])
def test_the_command_uses_the_configured_cluster(
    two_nodes: TwoNodes, trained: Place, named: bool
) -> None:
    address = two_nodes.address if named else "local"
    ran = trained.having(RAY_ADDRESS=address).good(
        *["predict", "in.csv", "ray.csv", "--chunk-rows", "100", "--workers", "2", "--json"],
        process=True,
    )
    assert (ran.document["rows"], ran.document["chunks"]) == (1000, 10)
    assert (trained / "ray.csv").read_bytes() == (trained / "local.csv").read_bytes()


def test_a_cluster_that_does_not_answer_is_unavailable(trained: Place) -> None:
    ran = trained.having(RAY_ADDRESS="127.0.0.1:1").call("predict", "in.csv", "out.csv")
    assert (ran.code, ran.out) == (69, "")
    assert "no Ray cluster answers at 127.0.0.1:1: Connection refused" in ran.err
