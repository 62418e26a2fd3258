"""Where the benchmarks find and keep things."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent

# Environments, models, inputs, logs and raw figures; kept between runs, never committed.
KEPT = ROOT / "artifacts" / "bench"
# The tables of a full run.
PAGES = ROOT / "docs" / "benchmarks"


class Unusable(Exception):
    """The measurement cannot be made, or must not be reported; says why."""
