"""Runs in tables of a database."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isnan
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from adapters.sql.database import Database
from application.ports import RunOrigin, end_of
from domain.data.dataset import DatasetVersion
from domain.errors import ModelportError

METADATA = sa.MetaData()

RUNS = sa.Table(
    "modelport_runs",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("data_uri", sa.Text, nullable=False),
    sa.Column("data_sha256", sa.String(64), nullable=False),
    sa.Column("data_md5", sa.String(32)),
    sa.Column("data_rows", sa.BigInteger, nullable=False),
    sa.Column("data_simulated", sa.Boolean, nullable=False),
)


def _of_run(table: str, key: str, *columns: sa.Column[Any]) -> sa.Table:
    run: sa.Column[str] = sa.Column("run_id", sa.ForeignKey(RUNS.c.id), primary_key=True)
    return sa.Table(
        table, METADATA, run, sa.Column(key, sa.String(250), primary_key=True), *columns
    )


PARAMS = _of_run("modelport_params", "key", sa.Column("value", sa.Text, nullable=False))
METRICS = _of_run("modelport_metrics", "key", sa.Column("value", sa.Double))
TAGS = _of_run("modelport_tags", "key", sa.Column("value", sa.Text, nullable=False))
ARTIFACTS = _of_run(
    "modelport_artifacts", "name", sa.Column("content", sa.LargeBinary, nullable=False)
)


@dataclass(frozen=True, slots=True)
class SqlRun:
    """A `Run`. Each call is one transaction; a name that is logged again is replaced."""

    database: Database
    id: str

    def log_params(self, params: Mapping[str, Any]) -> None:
        run, key, _ = PARAMS.columns
        with self.database.begin() as connection:
            recorded = set(connection.scalars(sa.select(key).where(run == self.id)))
            new = {name: text for name, text in _flat(params) if name not in recorded}
            _insert(connection, PARAMS, self.id, new)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        self._replace(METRICS, {k: None if isnan(v) else float(v) for k, v in metrics.items()})

    def log_artifact(self, name: str, content: bytes) -> None:
        self._replace(ARTIFACTS, {name: content})

    def log_tags(self, tags: Mapping[str, str]) -> None:
        self._replace(TAGS, tags)

    def _replace(self, table: sa.Table, values: Mapping[str, Any]) -> None:
        run, key, _ = table.columns
        earlier = sa.delete(table).where(run == self.id, key.in_(list(values)))
        with self.database.begin() as connection:
            connection.execute(earlier)
            _insert(connection, table, self.id, values)


class SqlTracker:
    """A `Tracker` in `modelport_runs` and the tables that refer to it; created on demand.

    The status of a run is `running`, then `finished` or `failed`; it stays `running` if the process
    is killed or loses the database. Title, parent run and origin are tags. Nested parameters have
    dotted names; values that are not text are JSON. A metric that is NaN is NULL.
    """

    def __init__(
        self,
        url: str,
        origin: RunOrigin | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self._database = Database.parse(url)
        self._origin = origin or RunOrigin()
        self._clock = clock
        self._new_id = new_id

    @contextmanager
    def run(
        self,
        name: str,
        params: Mapping[str, Any],
        data: DatasetVersion,
        *,
        title: str = "",
        parent: str = "",
    ) -> Iterator[SqlRun]:
        self._database.make_folder()
        self._database.create(*METADATA.sorted_tables)
        run = SqlRun(self._database, self._new_id())
        about = {key: value for key, value in (("title", title), ("parent", parent)) if value}
        try:
            self._start(run.id, name, params, data, about | self._origin.to_tags())
            yield run
        except BaseException as error:
            try:
                self._end(run.id, end_of(error))
            except ModelportError as unrecorded:
                error.add_note(f"and the run could not be recorded: {unrecorded}")
            raise
        self._end(run.id, "finished")

    def _start(
        self,
        run_id: str,
        name: str,
        params: Mapping[str, Any],
        data: DatasetVersion,
        tags: Mapping[str, str],
    ) -> None:
        recorded = ("uri", "sha256", "md5", "rows", "simulated")
        row = {"id": run_id, "name": name, "status": "running", "started_at": self._clock()}
        row |= {f"data_{field}": getattr(data, field) for field in recorded}
        with self._database.begin() as connection:
            connection.execute(sa.insert(RUNS), row)
            _insert(connection, PARAMS, run_id, dict(_flat(params)))
            _insert(connection, TAGS, run_id, tags)

    def _end(self, run_id: str, status: str) -> None:
        ended = sa.update(RUNS).where(RUNS.c.id == run_id)
        with self._database.begin() as connection:
            connection.execute(ended.values(status=status, ended_at=self._clock()))


def _insert(
    connection: sa.Connection, table: sa.Table, run_id: str, values: Mapping[str, Any]
) -> None:
    run, key, value = table.columns
    rows = [{run.name: run_id, key.name: k, value.name: v} for k, v in values.items()]
    if rows:
        connection.execute(sa.insert(table), rows)


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            yield f"{prefix}{name}", text
