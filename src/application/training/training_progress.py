"""The progress of a training."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """The stage that begins; `share` of the work is done, from 0 (the fit begins) to 1."""

    stage: str
    share: float = 0.0

    def seconds_left(self, seconds: float) -> float | None:
        """Return the estimated seconds to the end, `seconds` after the fit began; None at first."""
        return seconds * (1 - self.share) / self.share if self.share else None


def silent(_: TrainingProgress) -> None:
    """Ignore the progress."""
