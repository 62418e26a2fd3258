"""Servers that integration tests share; they run only while somebody asks for them."""

from collections.abc import Iterator
from itertools import count

import pytest
import sqlalchemy as sa

from tests.integration.processes import Postgres, running_postgres

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; each worker of pytest-xdist has its own."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty PostgreSQL database that is this test's own."""
    name = f"test_{next(_NUMBERS)}"
    engine = sa.create_engine(
        postgres.url(), isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool
    )
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} STRATEGY file_copy"))
    yield postgres.url(name)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
