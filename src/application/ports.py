"""The ports: what the use cases need of the world, as few and deep protocols.

Every adapter raises the errors of `domain.errors` and nothing of its own.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol, TypeVar

from domain.access import ApiKey, KeyRing
from domain.batch import BatchJob, ChunkReceipt, Reject
from domain.dataset import Chunk, DatasetVersion
from domain.explanation import Explained
from domain.feature import Kind, Vector
from domain.figures import Figure
from domain.ledger import LedgerEntry
from domain.model import Bundle, ModelRef, ModelVersion
from domain.notebook import Notebook
from domain.schema import Matrix, Schema
from domain.search import Space, Trial
from domain.table import Table
from domain.training import Parameter, TrainingSpec

Item = TypeVar("Item")
Result = TypeVar("Result")


class DataSource(Protocol):
    """A table somewhere. Picklable: a worker that is given one can read its own chunk.

    Raises `NotFound`, `Unavailable`, `UnreadableData` or `ChecksumMismatch`.
    """

    @property
    def version(self) -> DatasetVersion:
        """The exact content that will be read."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, as they stand; a name that stands there twice is kept."""
        ...

    def plan(self, rows_per_chunk: int) -> Iterator[Chunk]:
        """Cut the rows, in order, into chunks of at most so many; the same plan every time."""
        ...

    def read(self, chunk: Chunk, columns: Mapping[str, Kind | None]) -> Table:
        """Return some columns of a chunk.

        A column of a given kind comes as its values: float64 or int64 for numbers (NaN where
        missing), bool for booleans, `Coded` or object for categories; where some cell does not
        fit the kind, the column comes as objects, that cell as the text it is. A column of kind
        None comes as it stands, to be handed through unchanged.
        """
        ...


@dataclass(frozen=True)
class Trained:
    """A fitted estimator and the files it is kept in, which are made when they are asked for.

    `predictor` answers with the fitted estimator, to compare the serving form with; `export` makes
    the files, the same each time; `libraries` are the versions used.
    """

    predictor: "Predictor"
    export: Callable[[], Mapping[str, bytes]]
    parameters: Mapping[str, Any]
    libraries: Mapping[str, str]

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """The serving form and the estimator itself, by file name.

        Raises:
            Misconfigured: a hyper-parameter made it a model of a form that is not exported.
        """
        return self.export()


class Learner(Protocol):
    """Fits estimators."""

    @property
    def spread(self) -> TrainingSpec:
        """What fits well how large errors are, given their roots: see `domain.uncertainty`."""
        ...

    def fit(self, spec: TrainingSpec, schema: Schema, matrix: Matrix, target: Vector) -> Trained:
        """Fit on `matrix`, shape (rows, features), and `target`, shape (rows,).

        Raises:
            Misconfigured: a hyper-parameter is unknown or has a value that is not allowed.
        """
        ...


class Predictor(Protocol):
    """A loaded model. Safe to call from several threads."""

    def predict(self, matrix: Matrix) -> Vector:
        """Return one prediction per row of `matrix`, shape (rows, features).

        A row's prediction is the same to the last bit whatever rows are asked with it.
        """
        ...


class Runtime(Protocol):
    """Turns the files of a bundle into a predictor. Picklable: a worker loads its own."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Predictor:
        """Load the serving form.

        Raises:
            ArtefactRejected: the files are not a model that can be run.
        """
        ...


class Explainer(Protocol):
    """Says what each feature adds to a model's answers. Safe to call from several threads."""

    def explain(self, matrix: Matrix) -> Explained:
        """Return base and contributions for rows of `matrix`, shape (rows, features).

        They add up to the model's answer. A row's are the same whatever rows are asked with it.
        """
        ...


class Explainers(Protocol):
    """Turns the files of a bundle into an explainer."""

    def load(self, schema: Schema, files: Mapping[str, bytes]) -> Explainer:
        """Load what the bundle keeps for people.

        Raises:
            ArtefactRejected: the files are not a model that can be explained.
            NotSupported: models of this kind have no explainer.
        """
        ...


class ModelStore(Protocol):
    """Keeps the versions of models, and the aliases that point to them.

    Raises `NotFound` for an unknown model, version or alias, `Unavailable` when the store
    cannot be reached, `ArtefactRejected` for a bundle that is not whole.
    """

    def names(self) -> Sequence[str]:
        """Return the models that have versions, sorted."""
        ...

    def versions(self, name: str) -> Sequence[ModelVersion]:
        """Return the versions of a model, oldest first."""
        ...

    def resolve(self, ref: ModelRef) -> ModelVersion:
        """Return the version that a reference means now. Cheap enough to be polled."""
        ...

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        """Register a bundle as the next version, wholly or not at all.

        A bundle that is registered already keeps its version, which is returned.
        """
        ...

    def load(self, version: ModelVersion) -> Bundle:
        """Return the files of a version, not yet verified."""
        ...

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        """Add details to a version, in place of those of the same name; return it as it is then."""
        ...

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        """Point an alias to a version, if it still points to `expected` (None: to nothing).

        Raises:
            Conflict: somebody moved the alias in the meantime.
        """
        ...


class BundleCache(Protocol):
    """Keeps the bundles that were served last, so that a server starts while the store is down.

    Raises `Unavailable` when it cannot be read or written, `ArtefactRejected` where what it holds
    is not what it has written.
    """

    def get(self, bundle_id: str) -> Bundle | None:
        """Return a bundle that was kept, not yet verified; None where there is none."""
        ...

    def keep(self, ref: ModelRef, version: ModelVersion, bundle: Bundle) -> None:
        """Keep a version that passed every check as the last good one of a reference.

        Bundles that were kept long ago and are no reference's last good one are let go.
        """
        ...

    def recall(self, ref: ModelRef) -> ModelVersion | None:
        """Return the last good version of a reference; None where there never was one."""
        ...


class Run(Protocol):
    """One tracked run."""

    @property
    def id(self) -> str:
        """How the tracker knows the run; empty where nothing is tracked."""
        ...

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Record figures by name."""
        ...

    def log_artifact(self, name: str, content: bytes) -> None:
        """Keep a small file with the run."""
        ...

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Record texts that are known only at the end, such as the gate's decision."""
        ...


class Tracker(Protocol):
    """Keeps a record of what was tried. Raises `Unavailable` when it cannot be reached."""

    def run(
        self, name: str, params: Mapping[str, Any], data: DatasetVersion
    ) -> AbstractContextManager[Run]:
        """Open a run; it is marked as finished on leaving, as failed on leaving by an error."""
        ...


class Ledger(Protocol):
    """An account of who became champion and why, to which entries are only ever added.

    Raises `Unavailable` when it cannot be read or written.
    """

    def append(self, entry: LedgerEntry) -> None:
        """Add an entry, wholly or not at all; afterwards it survives a crash."""
        ...

    def entries(self, model: str) -> Sequence[LedgerEntry]:
        """Return the entries about a model, in the order in which they were added.

        Raises:
            UnreadableData: something there is not an entry; says where.
        """
        ...


class PredictionSink(Protocol):
    """Where a batch job writes. Writing a chunk again replaces it: each row is there once.

    Picklable: a worker that is given one writes to the same place. Chunks may be written at the
    same time, by threads or by processes, but never the same one.

    Raises `Unavailable` when it cannot write.
    """

    def reserved(self, job: BatchJob) -> AbstractContextManager[None]:
        """Keep every other run from what this job writes, until it is left or the process ends.

        Raises:
            Conflict: another run has it.
        """
        ...

    def finished(self, job: BatchJob) -> "Finished | None":
        """Return what an earlier run of this job has sealed, if all of it is still there as it was.

        What was changed or removed since counts as not there.
        """
        ...

    def completed(self, job: BatchJob) -> Mapping[int, ChunkReceipt]:
        """Return the chunks of an earlier, interrupted run of this job, by index."""
        ...

    def write(
        self, job: BatchJob, index: int, table: Table, rejects: Sequence[Reject]
    ) -> ChunkReceipt:
        """Write the scored rows and the rejects of one chunk, wholly or not at all."""
        ...

    def seal(self, job: BatchJob, chunks: int) -> "Sealed":
        """Make the result of all chunks visible under its final name, at once."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where the result of a batch job is; `rejects` is None where no row was rejected."""

    output: str
    rejects: str | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A batch job that was sealed before."""

    sealed: Sealed
    chunks: int
    scored: int
    rejected: int


class Executor(Protocol):
    """Where the tasks of a batch run: on the threads of a process, or on many machines."""

    def map(
        self,
        task: Callable[[Item], Result],
        items: Iterable[Item],
        workers: int | None = None,
    ) -> Generator[Result]:
        """Yield what a task returns for each item, in the order of the items.

        At most `workers` items are worked on at once (None: one per core). Items are taken when
        they are needed, a few ahead; results are small, and wait for their turn. The task, the
        items and the results are picklable. A task may be run again for an item where a worker
        was lost, so it must leave the same as if it had run once.

        The first error in the order of the items is raised as it is, after the results before it.
        Then, and when the generator is closed, nothing more is begun, and nothing that was begun
        is left running.

        Raises:
            Unavailable: the workers cannot be reached, or are lost again and again.
        """
        ...


class Signer(Protocol):
    """Vouches with a private key."""

    @property
    def key(self) -> str:
        """The id of the key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return a signature, which only the private key can make."""
        ...


class Verifier(Protocol):
    """Knows the public keys that are trusted."""

    @property
    def keys(self) -> frozenset[str]:
        """The ids of the keys that are trusted."""
        ...

    def verifies(self, key: str, message: bytes, signature: bytes) -> bool:
        """Tell whether a trusted key has made this signature of this message."""
        ...


Attributes = Mapping[str, str | int | float | bool]


class Traces(Protocol):
    """Keeps what was done and how long it took, for whoever follows a request through systems.

    It never raises and never waits: what cannot be kept is dropped.
    """

    def record(
        self,
        name: str,
        seconds: float,
        attributes: Attributes,
        *,
        caller: Mapping[str, str] | None = None,
        failed: bool = False,
    ) -> None:
        """Keep what ends now and took so long.

        `caller` is given for a request: the headers in which it may say which trace it is part of.
        """
        ...

    def close(self) -> None:
        """Send what there is, unless that takes too long, and end."""
        ...


class KeyStore(Protocol):
    """Where the API keys of a server are kept; a few, read often and changed seldom."""

    def read(self) -> KeyRing:
        """Return the keys as they are now; cheap when nothing has changed.

        Raises:
            Misconfigured: they cannot be read, or are none.
        """
        ...

    def add(self, key: ApiKey) -> None:
        """Keep one more key, wholly or not at all.

        Raises:
            InvalidData: there is one of this name already.
            Misconfigured, Unavailable: the store cannot be read or written.
        """
        ...

    def revoke(self, which: str) -> None:
        """Drop the key of an id or a name.

        Raises:
            NotFound: there is none.
            Misconfigured, Unavailable: the store cannot be read or written.
        """
        ...


class Searcher(Protocol):
    """Looks for the hyper-parameters of the lowest error."""

    def search(
        self,
        space: Space,
        objective: Callable[[Mapping[str, Parameter]], float],
        budget: int,
        seed: int,
        start: Mapping[str, Parameter],
    ) -> Sequence[Trial]:
        """Return `budget` trials in the order they were made, the same for the same seed.

        The first one is `start`, which may lie outside of the space.
        """
        ...


class ResultStore(Protocol):
    """Keeps the results of experiments as JSON documents, by names that say what they are of.

    Raises `Unavailable` when it cannot be read or written.
    """

    def get(self, name: str) -> Mapping[str, Any] | None:
        """Return a document; None where there is none, or none that is whole."""
        ...

    def put(self, name: str, document: Mapping[str, Any]) -> None:
        """Keep a document, wholly or not at all, in place of one of the same name."""
        ...


class Plotter(Protocol):
    """Draws figures."""

    def draw(self, figure: Figure) -> str:
        """Return a figure as an SVG element, which can stand in a page or in a file."""
        ...


class Notebooks(Protocol):
    """Runs notebooks: prose and Python, cell by cell."""

    def run(self, folder: str) -> Sequence[Notebook]:
        """Run every notebook of a folder, by name, each from top to bottom and starting anew.

        Nothing is written to them. Their first heading is their title.

        Raises:
            NotFound: there is none in the folder.
            UnreadableData: a file is not a notebook.
            InvalidData: a cell fails; says which cell of which notebook.
            Unavailable: what runs them cannot be started, or ends.
        """
        ...
