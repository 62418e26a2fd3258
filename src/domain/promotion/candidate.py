"""The models at the gate: what is known of each before one is chosen."""

from dataclasses import dataclass, field

from domain.data.dataset import DatasetIdentity
from domain.data.feature import Vector
from domain.data.split import Split
from domain.evaluation.metrics import Metrics
from domain.uncertainty.coverage import Uncertainty


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model at the gate: what it scored on the common hold-out, what it learnt from and costs.

    `squared` are the squared errors of the hold-out rows, `size` the bytes of its bundle,
    `row_ms` the milliseconds in which its serving form answers for one row whose place it was
    asked for before, `new_location_ms` those for one whose place it was not; None without places.
    """

    label: str
    metrics: Metrics
    squared: Vector = field(compare=False, repr=False)
    data: DatasetIdentity
    split: Split
    bundle_id: str
    size: int = 0
    row_ms: float = 0.0
    uncertainty: Uncertainty | None = None
    new_location_ms: float | None = None

    @property
    def slowest_ms(self) -> float:
        """The milliseconds for a row of the kind that takes longer."""
        return max(self.row_ms, self.new_location_ms or 0.0)

    def learnt_from_same_rows(self, other: "Candidate") -> bool:
        """Whether both were fitted on the same training rows, so neither saw the hold-out."""
        return self.data.sha256 == other.data.sha256 and self.split == other.split


@dataclass(frozen=True, slots=True)
class Incomparable:
    """A champion that cannot be scored on the challenger's hold-out.

    One that is broken may be replaced; one with another schema has clients that would be cut off.
    """

    label: str
    why: str
    may_be_replaced: bool
