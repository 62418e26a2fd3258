"""Champion and challenger as the promotion gate compares them."""

from dataclasses import dataclass, field

from domain.data.dataset import DatasetIdentity
from domain.data.feature import Vector
from domain.data.split import Split
from domain.evaluation.metrics import Metrics
from domain.uncertainty.coverage import Uncertainty


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model with its errors on the common hold-out, its training data, and its costs.

    `squared` are the squared errors of the hold-out rows, `size` the bytes of the bundle. `row_ms`
    is the latency of one row at a cached location, `new_location_ms` at a new one; None without
    coordinates.
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
        """The higher of the two latencies, in milliseconds."""
        return max(self.row_ms, self.new_location_ms or 0.0)

    def trained_on_same_rows(self, other: "Candidate") -> bool:
        """Whether both have the same training rows, so that neither was fitted on the hold-out."""
        return self.data.sha256 == other.data.sha256 and self.split == other.split


@dataclass(frozen=True, slots=True)
class Incomparable:
    """A champion that cannot be scored on the challenger's hold-out: broken, or of other rows.

    It is replaced by hand only, since nobody knows whether the challenger is better.
    """

    label: str
    why: str
