"""How far a long use case has come."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`rows` done of `total`, of which `resumed` were done by an earlier run.

    Work begins when nothing but what was resumed is done.
    """

    rows: int
    total: int
    resumed: int = 0

    def rate(self, seconds: float) -> float | None:
        """Return the rows a second of this run, after so many seconds; None before the first."""
        done = self.rows - self.resumed
        return done / seconds if done > 0 and seconds > 0 else None

    def seconds_left(self, seconds: float) -> float | None:
        """Return how long the rest takes at the rate so far; None where there is no rate yet."""
        rate = self.rate(seconds)
        return None if rate is None else (self.total - self.rows) / rate


def silent(_: Progress) -> None:
    """Tell nobody."""
