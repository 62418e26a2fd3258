"""A table of a database by its URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

import sqlalchemy as sa

from adapters.sql.database import EXAMPLES, FORM, Database
from domain.errors import Misconfigured, ModelportError, NotFound, Unavailable

ColumnTypes: TypeAlias = Mapping[str, sa.types.TypeEngine[Any]]

_MAX_LISTED = 20


@dataclass(frozen=True)
class TableName:
    """A table of a database: the URL's fragment, `table` or `schema.table`."""

    database: Database
    name: str
    schema: str | None = None

    @classmethod
    def parse(cls, url: str, unusable: type[ModelportError] = Unavailable) -> "TableName":
        """Return the table of a URL with a fragment.

        Raises:
            Misconfigured: there is no fragment, it is not the URL of a database, or the driver is
                not installed.
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
        """The URL without secrets."""
        return f"{self.database.uri}#{self}"

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    def missing(self, inspector: sa.Inspector) -> NotFound:
        """Return the error for a missing table; it lists the existing ones."""
        names = sorted(
            [*inspector.get_table_names(self.schema), *inspector.get_view_names(self.schema)]
        )
        more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
        listed = f"{', '.join(names[:_MAX_LISTED])}{more}" if names else "none"
        return NotFound(f"{self.database.uri}: no table {str(self)!r}; tables there: {listed}")
