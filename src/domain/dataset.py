"""Which data it was, how it is cut into chunks, and how it is split for training."""

import re
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import InvalidData, Misconfigured

REJECTS = ".rejects.jsonl"

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_data(name: str) -> bool:
    """Whether a file of a folder, by its name from there on, is one of its table.

    Hidden files, those that begin with `_`, and rejects that a job has left are none.
    """
    hidden = any(part.startswith((".", "_")) for part in name.split("/"))
    return not hidden and not name.endswith(REJECTS)


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """The exact content of a data set.

    `sha256` is of the file's bytes, or of the rows where there is no file. `md5` is the digest by
    which DVC knows the file, where there is one. `uri` says where it was read (never with a
    password) and is not part of the identity. `simulated` data must not be mistaken for real.
    """

    uri: str
    sha256: str
    rows: int
    md5: str | None = None
    simulated: bool = False

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise InvalidData(f"{self.uri}: not a SHA-256 digest: {self.sha256!r}")

    def identity(self) -> dict[str, Any]:
        """Return what a manifest keeps: the same wherever the same data was read."""
        return {
            "sha256": self.sha256,
            "md5": self.md5,
            "rows": self.rows,
            "simulated": self.simulated,
        }


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows `start` to `start + rows` of a source; `locator` tells the source where they are.

    Small and picklable: a worker that has the source and a chunk can read its own rows. Of a
    source of several files, `file` is the one that the rows are in, and `before_file` the rows
    that come before that.
    """

    index: int
    start: int
    rows: int
    locator: tuple[int, ...] = ()
    file: str = ""
    before_file: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """A seeded random hold-out, and rows for validation, which are neither learnt nor judged by.

    Both are fractions of all rows. `validation` makes figures comparable with published ones that
    leave rows out for tuning: 0.2 and 0.16 leave 64% to learn from.
    """

    holdout: float = 0.2
    seed: int = 42
    validation: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.holdout < 1:
            raise Misconfigured(f"hold-out fraction: {self.holdout} is not between 0 and 1")
        if not 0 <= self.validation < 1 - self.holdout:
            raise Misconfigured(
                f"validation fraction: {self.validation} is not from 0 to below "
                f"{1 - self.holdout:g}, which is what a hold-out of {self.holdout} leaves"
            )
        if not 0 <= self.seed < 2**32:
            raise Misconfigured(f"seed: {self.seed} is not from 0 to 4294967295")

    def positions(self, rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the positions of the training rows and of the hold-out, in shuffled order.

        Without rows for validation, they are the same in the same order as scikit-learn's
        `train_test_split(test_size=holdout, random_state=seed)`, so that figures can be compared
        with published ones. Rows for validation are taken from the training rows' beginning: the
        hold-out stays what it is without them.

        Raises:
            InvalidData: there are too few rows to train on some and hold out at least two.
        """
        held = ceil(rows * self.holdout)
        first = held + round(rows * self.validation)
        if held < 2 or rows - first < 2:
            raise InvalidData(
                f"{rows} rows are too few: two are needed to train on and two to hold out"
            )
        shuffled = np.random.RandomState(self.seed).permutation(rows).astype(np.intp)
        return shuffled[first:], shuffled[:held]
