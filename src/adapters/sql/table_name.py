"""A table of a database by its URL."""

from dataclasses import dataclass
from urllib.parse import unquote

import sqlalchemy as sa

from adapters.sql.database import EXAMPLES, FORM, Database
from domain.errors import Misconfigured, ModelportError, NotFound, Unavailable

_SHOWN = 20


@dataclass(frozen=True)
class TableName:
    """A table of a database: the URL's fragment, `table` or `schema.table`."""

    database: Database
    name: str
    schema: str | None = None

    @classmethod
    def parse(cls, url: str, unusable: type[ModelportError] = Unavailable) -> "TableName":
        """Return the table that a URL names by its fragment.

        Raises:
            Misconfigured: it names none, this is no URL of a database, or its driver is missing.
        """
        address, hash_sign, fragment = url.rpartition("#")
        schema, _, name = fragment.rpartition(".")
        if not hash_sign or not name:
            raise Misconfigured(
                f"a database URL must name its table after a #: {FORM}#table or "
                f"{FORM}#schema.table, such as {EXAMPLES.format('#block_groups')}"
            )
        database = Database.at(address, "#table", unusable)
        return cls(database, unquote(name), unquote(schema) or None)

    @property
    def uri(self) -> str:
        """The URL without anything that is secret."""
        return f"{self.database.uri}#{self}"

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    def missing(self, inspector: sa.Inspector) -> NotFound:
        """Return the error that says which tables there are instead."""
        there = sorted(
            [*inspector.get_table_names(self.schema), *inspector.get_view_names(self.schema)]
        )
        more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
        listed = f"{', '.join(there[:_SHOWN])}{more}" if there else "none"
        return NotFound(f"{self.database.uri}: no table {str(self)!r}; tables there: {listed}")
