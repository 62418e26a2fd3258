"""A tracker in MLflow."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from adapters.files.atomic_writes import plain_name
from adapters.mlflow.mlflow_connection import MlflowConnection
from application.ports import RunOrigin, end_of
from domain.canonical_json import json_value
from domain.data.dataset import DatasetVersion
from domain.errors import ModelportError

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

_DIGEST = 12


@dataclass(frozen=True, slots=True)
class MlflowRun:
    """A `Run` that logs at once; MLflow keeps the earlier values of a metric."""

    id: str
    connection: MlflowConnection
    steps: Iterator[int] = field(default_factory=count)
    params: dict[str, str] = field(default_factory=dict)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        # Of two values with the same millisecond MLflow shows the one with the higher step.
        at, step = int(time() * 1000), next(self.steps)
        logged = [Metric(name, float(value), at, step) for name, value in metrics.items()]
        with self.connection.client() as client:
            client.log_batch(self.id, metrics=logged)

    def log_artifact(self, name: str, content: bytes) -> None:
        with self.connection.client() as client, TemporaryDirectory() as folder:
            file = Path(folder) / plain_name(name)
            file.write_bytes(content)
            client.log_artifact(self.id, str(file))

    def log_tags(self, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        with self.connection.client() as client:
            client.log_batch(self.id, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record the parameters, nested ones as `outer.inner`; MLflow refuses a second value."""
        from mlflow.entities import Param

        new = {key: text for key, text in _flat(params) if key not in self.params}
        self.params.update(new)
        with self.connection.client() as client:
            client.log_batch(self.id, params=[Param(*item) for item in new.items()])

    def log_data(self, data: DatasetVersion) -> None:
        """Record the data as an input of the run."""
        with self.connection.client() as client:
            client.log_inputs(self.id, [_dataset(data)])

    def end(self, status: str) -> None:
        """Close the run."""
        with self.connection.client() as client:
            client.set_terminated(self.id, status)


class MlflowTracker:
    """A `Tracker`: runs are in the MLflow experiment with the name of their model.

    Title, parent run and origin are MLflow's own tags, which its pages show.
    """

    def __init__(self, tracking_uri: str, home: Path, origin: RunOrigin | None = None) -> None:
        self._connection = MlflowConnection(tracking_uri, home)
        origin = origin or RunOrigin()
        own = {
            "mlflow.user": origin.user,
            "mlflow.source.name": "modelport",
            "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": origin.commit,
            "mlflow.source.git.branch": origin.branch,
        }
        self._origin = {tag: value for tag, value in own.items() if value}

    @contextmanager
    def run(
        self,
        name: str,
        params: Mapping[str, Any],
        data: DatasetVersion,
        *,
        title: str = "",
        parent: str = "",
    ) -> Iterator[MlflowRun]:
        tags = {**self._origin, **_data_tags(data)}
        if parent:
            tags["mlflow.parentRunId"] = parent
        with self._connection.writing() as client:
            experiment = self._connection.experiment(name)
            started = client.create_run(experiment, tags=tags, run_name=title or None)
        run = MlflowRun(started.info.run_id, self._connection)
        try:
            run.log_params(params)
            run.log_data(data)
            yield run
        except BaseException as error:
            try:
                run.end(end_of(error).upper())
            except ModelportError as unrecorded:
                error.add_note(f"and the run could not be recorded: {unrecorded}")
            raise
        run.end("FINISHED")


def _data_tags(data: DatasetVersion) -> dict[str, str]:
    """Return the address and the complete digests of the data."""
    identity = json_value(data.identity)
    known = {f"data.{key}": _text(value) for key, value in identity.items() if value is not None}
    return {"data.uri": data.uri, **known}


def _dataset(data: DatasetVersion) -> "DatasetInput":
    """Return the data by a readable name: the file, the table of a database, `sample:3000`.

    MLflow shows the digest beside the name; like MLflow's own digests it is short.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    parts = urlsplit(data.uri)
    file = "" if data.simulated else Path(parts.path).name
    kind, key = ("http", "url") if parts.scheme in ("http", "https") else ("local", "uri")
    dataset = Dataset(
        name=parts.fragment or file or data.uri,
        digest=data.sha256[:_DIGEST],
        source_type=kind,
        source=json.dumps({key: data.uri}),
        profile=json.dumps({"num_rows": data.rows}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
