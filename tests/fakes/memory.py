"""Every port in memory: what the unit tests run on, held to the same contracts as the others."""

import hmac
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from io import StringIO
from itertools import islice
from threading import Lock
from typing import Any, Literal

import numpy as np

from application.ports import Attributes, Finished, Item, Result, Sealed, TrainedModel
from domain.canonical_json import json_bytes
from domain.data.dataset import Chunk, DatasetVersion
from domain.data.feature import Kind, Vector
from domain.data.mapping_reader import Reader
from domain.data.schema import Matrix, Schema
from domain.data.table import Coded, Column, Table, plain
from domain.errors import (
    ArtefactRejected,
    Conflict,
    InvalidData,
    Misconfigured,
    NotFound,
    Unavailable,
)
from domain.features.encoding import ENCODING, FeatureEncoding
from domain.features.feature_set import FeatureSet
from domain.model.bundle import NUMERIC, Bundle
from domain.model.not_found import alias_moved, unknown_alias, unknown_model, unknown_version
from domain.model.reference import ModelRef, ModelVersion
from domain.model.signature import key_id
from domain.promotion.ledger import LedgerEntry
from domain.reports.document import Code, Output, Paragraph, Part
from domain.reports.notebook import Notebook
from domain.scoring.batch_job import BatchJob, ChunkReceipt, Reject
from domain.scoring.explanation import FeatureContributions, shares
from domain.security.api_keys import ApiKey, KeyRing
from domain.training.search_space import Dimension, Number, Space, Trial
from domain.training.specification import Estimator, Parameter, TrainingSpec


class MemoryStore:
    """A `ModelStore`. Safe to use from several threads."""

    def __init__(self) -> None:
        self._bundles: dict[tuple[str, str], Bundle] = {}
        self._versions: dict[str, list[ModelVersion]] = {}
        self._aliases: dict[str, dict[str, int]] = {}
        self._lock = Lock()

    def names(self) -> list[str]:
        return sorted(self._versions)

    def versions(self, name: str) -> list[ModelVersion]:
        with self._lock:
            return [self._with_aliases(version) for version in self._of(name)]

    def resolve(self, ref: ModelRef) -> ModelVersion:
        with self._lock:
            versions, number = self._of(ref.name), ref.number
            if ref.alias:
                aliases = self._aliases[ref.name]
                if ref.alias not in aliases:
                    raise unknown_alias(ref, aliases)
                number = aliases[ref.alias]
            for version in versions:
                if version.number == number:
                    return self._with_aliases(version)
            raise unknown_version(ref, (version.number for version in versions))

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        ModelRef(name)
        with self._lock:
            versions = self._versions.get(name, [])
            for version in versions:
                if version.bundle_id == bundle.id:
                    return self._with_aliases(version)
            version = ModelVersion(name, len(versions) + 1, bundle.id, created_at, details=details)
            self._bundles[name, bundle.id] = bundle
            self._versions[name] = [*versions, version]
            self._aliases.setdefault(name, {})
            return version

    def load(self, version: ModelVersion) -> Bundle:
        registered = self.resolve(ModelRef(version.name, None, version.number))
        return self._bundles[version.name, registered.bundle_id]

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        self.resolve(ModelRef(version.name, None, version.number))
        with self._lock:
            versions = self._versions[version.name]
            kept = versions[version.number - 1]
            annotated = replace(kept, details={**kept.details, **details})
            versions[version.number - 1] = annotated
            return self._with_aliases(annotated)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        ModelRef(name, alias)
        target = self.resolve(ModelRef(name, None, to))
        with self._lock:
            actual = self._aliases[name].get(alias)
            if actual != expected:
                raise alias_moved(name, alias, actual, expected)
            self._aliases[name][alias] = target.number

    def _of(self, name: str) -> list[ModelVersion]:
        if name not in self._versions:
            raise unknown_model(name, self._versions)
        return self._versions[name]

    def _with_aliases(self, version: ModelVersion) -> ModelVersion:
        aliases = self._aliases[version.name].items()
        return replace(
            version, aliases=frozenset(a for a, number in aliases if number == version.number)
        )


class MemoryBundleCache:
    """A `BundleCache` of the `versions` kept last, and of the last of each reference."""

    def __init__(self, versions: int = 5) -> None:
        self._versions = versions
        self._bundles: dict[str, Bundle] = {}
        self._last: dict[ModelRef, ModelVersion] = {}
        self._lock = Lock()

    def get(self, bundle_id: str) -> Bundle | None:
        return self._bundles.get(bundle_id)

    def keep(self, ref: ModelRef, version: ModelVersion, bundle: Bundle) -> None:
        with self._lock:
            self._bundles.pop(bundle.id, None)
            self._bundles[bundle.id] = bundle
            self._last[ref] = version
            needed = {version.bundle_id for version in self._last.values()}
            for bundle_id in [*self._bundles][: -self._versions]:
                if bundle_id not in needed:
                    del self._bundles[bundle_id]

    def recall(self, ref: ModelRef) -> ModelVersion | None:
        return self._last.get(ref)


@dataclass(slots=True)
class MemoryRun:
    """A `Run`, and all that was recorded of it."""

    id: str
    name: str
    params: Mapping[str, Any]
    data: DatasetVersion
    status: Literal["running", "finished", "failed"] = "running"
    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        self.metrics.update(metrics)

    def log_artifact(self, name: str, content: bytes) -> None:
        self.artifacts[name] = content

    def log_tags(self, tags: Mapping[str, str]) -> None:
        self.tags.update(tags)


class MemoryTracker:
    """A `Tracker` whose `runs` can be looked at, oldest first."""

    def __init__(self) -> None:
        self.runs: list[MemoryRun] = []
        self._lock = Lock()

    @contextmanager
    def run(
        self, name: str, params: Mapping[str, Any], data: DatasetVersion
    ) -> Iterator[MemoryRun]:
        with self._lock:
            run = MemoryRun(f"run-{len(self.runs) + 1}", name, dict(params), data)
            self.runs.append(run)
        try:
            yield run
        except BaseException:
            run.status = "failed"
            raise
        run.status = "finished"


class MemoryLedger:
    """A `Ledger`; `problem` makes it one that cannot be written."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self.problem = ""

    def append(self, entry: LedgerEntry) -> None:
        if self.problem:
            raise Unavailable(self.problem)
        self._lines.append(entry.to_line())

    def entries(self, model: str) -> list[LedgerEntry]:
        found = [LedgerEntry.from_line(line, "memory") for line in self._lines]
        return [entry for entry in found if entry.model == model]


class MemorySource:
    """A `DataSource` over a table; its version follows from the content unless one is given."""

    def __init__(self, table: Table, version: DatasetVersion | None = None) -> None:
        self.table = table
        self.version = version or DatasetVersion("memory:", digest(table), len(table))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.table.columns)

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        total = len(self.table)
        for index, start in enumerate(range(0, total, rows_per_chunk)):
            yield Chunk(index, start, min(rows_per_chunk, total - start))

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        rows = self.table[chunk.start : chunk.start + chunk.rows]
        wanted = {name: _of_kind(rows.column(name), kind) for name, kind in columns.items()}
        return Table(wanted, len(rows), rows.faults)


def digest(table: Table) -> str:
    """Return the SHA-256 of a table's names and values, however its columns are held."""
    content = [(name, plain(column).tolist()) for name, column in table.columns.items()]
    return sha256(repr(content).encode()).hexdigest()


def _of_kind(column: Column, kind: Kind | None) -> Column:
    numeric = kind in (Kind.NUMBER, Kind.INTEGER)
    if not numeric or isinstance(column, Coded) or column.dtype != object:
        return column
    cells = column.tolist()
    if all(c is None or (isinstance(c, int | float) and not isinstance(c, bool)) for c in cells):
        return np.array(cells, dtype=np.float64)
    return column


class MemorySink:
    """A `PredictionSink`; it fails for good once `fail_after` chunks were written, if given.

    `tables` and `rejects` hold the sealed results by job id.
    """

    def __init__(self, fail_after: int | None = None) -> None:
        self.fail_after = fail_after
        self.tables: dict[str, Table] = {}
        self.rejects: dict[str, list[Reject]] = {}
        self.writes = 0
        self._chunks: dict[str, dict[int, tuple[Table, tuple[Reject, ...]]]] = {}
        self._finished: dict[str, Finished] = {}
        self._reserved: set[str] = set()

    @contextmanager
    def reserved(self, job: BatchJob) -> Iterator[None]:
        if job.id in self._reserved:
            raise Conflict(f"memory:{job.id}: another run writes to it")
        self._reserved.add(job.id)
        try:
            yield
        finally:
            self._reserved.remove(job.id)

    def finished(self, job: BatchJob) -> Finished | None:
        there = job.id in self.tables and job.id in self.rejects
        return self._finished.get(job.id) if there else None

    def completed(self, job: BatchJob) -> dict[int, ChunkReceipt]:
        chunks = self._chunks.get(job.id, {})
        return {index: ChunkReceipt(index, len(t), len(r)) for index, (t, r) in chunks.items()}

    def write(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        if self.fail_after is not None and self.writes >= self.fail_after:
            raise Unavailable(f"memory:{job.id}: cannot write after {self.fail_after} chunks")
        self.writes += 1
        self._chunks.setdefault(job.id, {})[index] = (table, tuple(rejects))
        return ChunkReceipt(index, len(table), len(rejects))

    def seal(self, job: BatchJob, chunks: int) -> Sealed:
        written = self._chunks.get(job.id, {})
        lacking = sorted({*range(chunks)} - {*written})
        if lacking:
            raise Unavailable(f"memory:{job.id}: chunk {lacking[0]} of {chunks} is not written")
        ordered = [written[index] for index in range(chunks)]
        rejects = [reject for _, rejected in ordered for reject in rejected]
        self.tables[job.id] = Table.concat(table for table, _ in ordered)
        self.rejects[job.id] = rejects
        self._chunks.pop(job.id, None)
        sealed = Sealed(f"memory:{job.id}", f"memory:{job.id}/rejects" if rejects else None)
        scored = len(self.tables[job.id])
        self._finished[job.id] = Finished(sealed, chunks, scored, len(rejects))
        return sealed


class MemoryExecutor:
    """An `Executor` that takes `workers` items at a time and works on the last of them first."""

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        upcoming = iter(items)
        with ThreadPoolExecutor(1) as one_by_one:
            while taken := list(islice(upcoming, workers or 1)):
                begun = [one_by_one.submit(task, item) for item in reversed(taken)]
                for future in reversed(begun):
                    yield future.result()


@dataclass(frozen=True, slots=True)
class LinearPredictor:
    """A `Predictor`: intercept + Σ coefficient × column, added in order of the columns."""

    encoding: FeatureEncoding
    intercept: float
    coefficients: tuple[float, ...]

    def predict(self, matrix: Matrix) -> Vector:
        columns = self.encoding.transform(matrix)
        answers = np.full(len(matrix), self.intercept)
        for position, coefficient in enumerate(self.coefficients):
            answers = answers + coefficient * columns[:, position]
        return answers


class MemoryLearner:
    """A `Learner`: the mean for `dummy`, least squares with penalty `alpha` for the others."""

    spread = TrainingSpec(Estimator.LINEAR)

    def fit(
        self, spec: TrainingSpec, schema: Schema, matrix: Matrix, target: Vector
    ) -> TrainedModel:
        alpha = _alpha(spec)
        encoding, columns = FeatureEncoding.learn(
            spec.for_schema(schema).features or FeatureSet.PLAIN, schema, matrix, target
        )
        coefficients = np.zeros(columns.shape[1])
        if spec.estimator is not Estimator.DUMMY:
            coefficients = _least_squares(columns, target, alpha)
        intercept = float(np.mean(target) - np.mean(columns, axis=0) @ coefficients)
        predictor = LinearPredictor(encoding, intercept, tuple(coefficients.tolist()))
        model = {"intercept": intercept, "coefficients": list(predictor.coefficients)}
        files = {**encoding.to_files(), NUMERIC: json_bytes(model)}
        return TrainedModel(predictor, lambda: files, {"alpha": alpha}, {"numpy": np.__version__})


def _alpha(spec: TrainingSpec) -> float:
    alpha = spec.parameters.get("alpha", 0.0)
    unknown = [name for name in spec.parameters if name != "alpha"]
    if unknown:
        raise Misconfigured(f"{spec.estimator}: unknown parameter {unknown[0]!r}; allowed: alpha")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not alpha >= 0:
        raise Misconfigured(f"{spec.estimator}: alpha: {alpha!r} is not a number of at least 0")
    return float(alpha)


def _least_squares(columns: Matrix, target: Vector, alpha: float) -> Vector:
    scale = np.where(np.ptp(columns, axis=0) == 0, 1.0, np.std(columns, axis=0))
    centred = (columns - np.mean(columns, axis=0)) / scale
    penalty = np.sqrt(alpha) * np.eye(columns.shape[1])
    design = np.concatenate([centred, penalty])
    wanted = np.concatenate([target - np.mean(target), np.zeros(columns.shape[1])])
    solution: Vector = np.linalg.lstsq(design, wanted, rcond=None)[0]
    return solution / scale


class MemoryRuntime:
    """A `Runtime` for the files of `MemoryLearner`."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> LinearPredictor:
        lacking = [name for name in (ENCODING, NUMERIC) if name not in files]
        if lacking:
            raise ArtefactRejected(f"the bundle has no {lacking[0]}")
        try:
            encoding = FeatureEncoding.from_files(schema, files)
            model = Reader(json.loads(files[NUMERIC]), NUMERIC)
            predictor = LinearPredictor(
                encoding, model.number("intercept"), model.numbers("coefficients")
            )
        except (ValueError, RecursionError, Misconfigured) as error:
            raise ArtefactRejected(f"{NUMERIC} cannot be read: {error}") from error
        if len(predictor.coefficients) != len(encoding.names):
            raise ArtefactRejected(f"{NUMERIC}: there must be one coefficient for each column")
        return predictor


class MemoryKeys:
    """A `Signer` and `Verifier` with one secret, which both of them know."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.key = key_id(secret)
        self.keys = frozenset({self.key})

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self._secret, message, "sha256")

    def verifies(self, key: str, message: bytes, signature: bytes) -> bool:
        return key in self.keys and hmac.compare_digest(signature, self.sign(message))


@dataclass(frozen=True, slots=True)
class MemorySpan:
    """What was recorded of one thing that was done."""

    name: str
    seconds: float
    attributes: Attributes
    caller: Mapping[str, str] | None
    failed: bool


class MemoryTraces:
    """A `Traces` whose spans can be looked at."""

    def __init__(self) -> None:
        self.spans: list[MemorySpan] = []
        self.closed = False

    def record(
        self,
        name: str,
        seconds: float,
        attributes: Attributes,
        *,
        caller: Mapping[str, str] | None = None,
        failed: bool = False,
    ) -> None:
        self.spans.append(MemorySpan(name, seconds, attributes, caller, failed))

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True, slots=True)
class MemoryExplainer:
    """An `Explainer` of a linear predictor, against a row of which nothing is known."""

    predictor: LinearPredictor

    def explain(self, matrix: Matrix) -> FeatureContributions:
        encoding = self.predictor.encoding
        unknown = np.full((1, len(encoding.schema.features)), np.nan)
        columns = encoding.transform(matrix) - encoding.transform(unknown)
        parts = (columns * self.predictor.coefficients) @ shares(encoding)
        return FeatureContributions(float(self.predictor.predict(unknown)[0]), parts)


class MemoryExplainers:
    """`Explainers` for the files of `MemoryLearner`."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> MemoryExplainer:
        return MemoryExplainer(MemoryRuntime().load(schema, files))


class MemoryKeyStore:
    """A `KeyStore`; `problem` makes it one that cannot be read."""

    def __init__(self, *keys: ApiKey) -> None:
        self._ring = KeyRing(keys)
        self.problem = ""

    def read(self) -> KeyRing:
        if self.problem:
            raise Misconfigured(self.problem)
        return self._ring

    def add(self, key: ApiKey) -> None:
        self._ring = self.read().adding(key)

    def revoke(self, which: str) -> None:
        self._ring = self.read().without(which)


class MemorySearcher:
    """A `Searcher` that tries values at random."""

    def search(
        self,
        space: Space,
        objective: Callable[[Mapping[str, Parameter]], float],
        budget: int,
        seed: int,
        start: Mapping[str, Parameter],
    ) -> list[Trial]:
        if budget < 1:
            raise Misconfigured(f"budget: {budget} trials; allowed: 1 or more")
        random = np.random.default_rng(seed)
        trials = [Trial(start, objective(start))]
        while len(trials) < budget:
            drawn = {name: _drawn(random, dimension) for name, dimension in space.items()}
            parameters = {**start, **drawn}
            trials.append(Trial(parameters, objective(parameters)))
        return trials


def _drawn(random: np.random.Generator, dimension: Dimension) -> Number:
    if dimension.whole:
        return int(random.integers(int(dimension.low), int(dimension.high), endpoint=True))
    return float(random.uniform(dimension.low, dimension.high))


class MemoryNotebooks:
    """A `Notebooks` whose folders hold cells as (kind, source): "markdown" or "code".

    Of prose it knows headings of the first level; of what code shows, what it prints.
    """

    def __init__(self) -> None:
        self.folders: dict[str, dict[str, Sequence[tuple[str, str]]]] = {}

    def run(self, folder: str) -> list[Notebook]:
        books = self.folders.get(folder)
        if not books:
            raise NotFound(f"{folder}: there are no notebooks")
        return [_ran(folder, name, books[name]) for name in sorted(books)]


def _ran(folder: str, name: str, cells: Sequence[tuple[str, str]]) -> Notebook:
    title, known = name.removesuffix(".ipynb"), dict[str, Any]()
    parts: list[Part] = []
    for number, (kind, source) in enumerate(cells, 1):
        if kind == "markdown" and source.startswith("# ") and not parts:
            title = source.removeprefix("# ")
        elif kind == "markdown":
            parts.append(Paragraph(source))
        else:
            try:
                with redirect_stdout(StringIO()) as printed:
                    exec(source, known)
            except Exception as error:
                where = f"{folder}/{name}, cell {number} of {len(cells)}"
                raise InvalidData(f"{where} fails: {type(error).__name__}: {error}") from error
            text = printed.getvalue().rstrip()
            parts += [Code(source), Output(text)] if text else [Code(source)]
    return Notebook(name, title, tuple(parts))


class MemoryResults:
    """A `ResultStore`, whose documents go through JSON as they would on disk."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def get(self, name: str) -> Mapping[str, Any] | None:
        return json.loads(self.texts[name]) if name in self.texts else None

    def put(self, name: str, document: Mapping[str, Any]) -> None:
        self.texts[name] = json.dumps(document, allow_nan=False)
