"""Where the time of a batch goes: the real use case, its ports wrapped in clocks.

usage: python -m tests.benchmarks.stages HOME VARIANT INPUT OUTPUT (prints JSON: seconds by stage)
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from application.model.load_model import LoadModel, PortableModel
from application.model.serving_form import EncodedPredictor
from application.ports import (
    DataSource,
    FinishedJob,
    PredictionSink,
    Predictor,
    PublishedOutput,
    Runtime,
)
from application.scoring.predict_batch import BatchOptions, PredictBatch
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind, Vector
from domain.data.schema import Matrix, Schema
from domain.data.table import Table
from domain.data.value_type import ValueType
from domain.features.encoding import FeatureEncoding
from domain.model.reference import ModelRef, ModelVersion
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject
from entrypoints.wiring.container import Container, build_container
from entrypoints.wiring.settings import Settings, Variant
from tests.fakes.execution import MemoryExecutor

FINGERPRINT, READING, CHECKING = "fingerprint of the input", "reading", "checking rows"
FEATURES, MODEL, WRITING = "features", "model", "writing"
LOADING, MEASURING = "loading the model", "measuring"


@dataclass
class Clock:
    """Adds up seconds by stage; time between stages is that of the use case itself."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the time of the block."""
        started = perf_counter()
        yield
        self.seconds[stage] += perf_counter() - started


@dataclass
class TimedSource:
    """A data source with a clock."""

    source: DataSource
    clock: Clock

    @property
    def version(self) -> DatasetVersion:
        with self.clock(FINGERPRINT):
            return self.source.version

    @property
    def columns(self) -> tuple[str, ...]:
        return self.source.columns

    def value_types(self, names: Sequence[str]) -> Mapping[str, ValueType]:
        with self.clock(READING):
            return self.source.value_types(names)

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        chunks = self.source.plan(rows_per_chunk)
        while True:
            with self.clock(READING):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        with self.clock(READING):
            return self.source.read(chunk, columns)


@dataclass
class TimedSink:
    """A sink with a clock."""

    sink: PredictionSink
    clock: Clock

    @property
    def key_columns(self) -> tuple[str, ...]:
        return self.sink.key_columns

    @contextmanager
    def locked(self, job: BatchJob) -> Iterator[None]:
        with self.sink.locked(job):
            yield

    def finished(self, job: BatchJob) -> FinishedJob | None:
        with self.clock(WRITING):
            return self.sink.finished(job)

    def completed_chunks(self, job: BatchJob) -> Mapping[int, ChunkReceipt]:
        with self.clock(WRITING):
            return self.sink.completed_chunks(job)

    def write_chunk(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        with self.clock(WRITING):
            return self.sink.write_chunk(job, index, table, rejects)

    def publish(self, job: BatchJob, chunks: int) -> PublishedOutput:
        with self.clock(WRITING):
            return self.sink.publish(job, chunks)


@dataclass
class TimedPredictor:
    """A predictor with a clock.

    It makes features of rows before it predicts; how long that takes is measured by doing it once
    more, and taken off the time of the model.
    """

    predictor: Predictor
    encoding: FeatureEncoding
    clock: Clock
    repeated: float = 0.0

    def predict(self, matrix: Matrix) -> Vector:
        started = perf_counter()
        self.encoding.transform(matrix)
        encoded = perf_counter()
        predictions = self.predictor.predict(matrix)
        features, both = encoded - started, perf_counter() - encoded
        self.clock.seconds[FEATURES] += features
        self.clock.seconds[MODEL] += both - features
        self.repeated += features
        return predictions


@dataclass
class TimedRuntime:
    """A runtime whose predictors have a clock, and an encoding of their own to be timed with."""

    runtime: Runtime
    clock: Clock
    predictors: list[TimedPredictor] = field(default_factory=list)
    repeated: float = 0.0

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Predictor:
        predictor = self.runtime.load(schema, files)
        started = perf_counter()
        again = self.runtime.load(schema, files)
        self.repeated += perf_counter() - started
        assert isinstance(again, EncodedPredictor)
        self.predictors.append(TimedPredictor(predictor, again.encoding, self.clock))
        return self.predictors[-1]


@dataclass(frozen=True, kw_only=True)
class Loaded(LoadModel):
    """Returns a model that was loaded before."""

    model: PortableModel

    def portable(self, version: ModelVersion) -> PortableModel:
        return self.model


def profile(container: Container, source: str, target: str) -> dict[str, float]:
    """Score a file in this process, one chunk after the other; return the seconds by stage."""
    clock = Clock()
    ref: ModelRef = container.model_ref()
    load: LoadModel = container.load_model()
    runtime = TimedRuntime(load.runtime, clock)
    started = perf_counter()
    model = LoadModel(load.store, runtime, load.read_manifest).portable(load.store.resolve(ref))
    _ = model.loaded
    loading = perf_counter() - started - runtime.repeated
    predictor = runtime.predictors[0]  # the second is that of the intervals
    clock.seconds.clear()  # the golden rows are part of loading
    predictor.repeated = 0.0
    started = perf_counter()
    timed_source = TimedSource(container.source(source), clock)
    timed_sink = TimedSink(container.sink(target), clock)
    predict = PredictBatch(
        Loaded(load.store, runtime, load.read_manifest, model=model), MemoryExecutor()
    )
    predict(timed_source, timed_sink, ref, BatchOptions(keep=("row",)))
    total = perf_counter() - started - predictor.repeated
    checking = total - sum(clock.seconds.values())
    return {
        **clock.seconds,
        LOADING: loading,
        CHECKING: checking,
        MEASURING: predictor.repeated,
    }


def main(home: str, variant: str, source: str, target: str) -> None:
    """Print the profile."""
    container = build_container(Settings(variant=Variant(variant), home=Path(home)))
    print(json.dumps(profile(container, source, target)))


if __name__ == "__main__":
    main(*sys.argv[1:])
