"""How a model version is named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from domain.data.schema import NAME
from domain.errors import Misconfigured

CHAMPION = "champion"
PREVIOUS = "previous"

_REFERENCE = re.compile(
    rf"(?P<name>{NAME.pattern})(@(?P<alias>{NAME.pattern})|/(?P<number>[1-9][0-9]{{0,17}}))?"
)


@dataclass(frozen=True, slots=True)
class ModelRef:
    """`housing` (its champion), `housing@ALIAS` or `housing/VERSION`: an alias or a number."""

    name: str
    alias: str | None = CHAMPION
    number: int | None = None

    def __post_init__(self) -> None:
        named = [part for part in (self.name, self.alias) if part is not None]
        both_or_neither = (self.alias is None) == (self.number is None)
        too_low = self.number is not None and self.number < 1
        if both_or_neither or too_low or not all(map(NAME.fullmatch, named)):
            raise _bad_reference(str(self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference.

        Raises:
            Misconfigured: it has none of the three forms.
        """
        form = _REFERENCE.fullmatch(text)
        if form is None:
            raise _bad_reference(text)
        if form["number"]:
            return cls(form["name"], None, int(form["number"]))
        return cls(form["name"], form["alias"] or CHAMPION)

    def __str__(self) -> str:
        return f"{self.name}/{self.number}" if self.alias is None else f"{self.name}@{self.alias}"


def _bad_reference(text: str) -> Misconfigured:
    return Misconfigured(
        f"{text!r} is not a model reference; "
        f"allowed: NAME (its champion), NAME@ALIAS or NAME/VERSION, such as housing/7"
    )


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered bundle. `details` are texts that describe it: estimator, RMSE, origin."""

    name: str
    number: int
    bundle_id: str
    created_at: datetime
    aliases: frozenset[str] = frozenset()
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", dict(self.details))

    @property
    def label(self) -> str:
        """The version as a reference: `housing/7`."""
        return f"{self.name}/{self.number}"
