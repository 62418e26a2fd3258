"""Processes whose coverage is not measured: they may write no file, or run nothing of ours."""

from collections.abc import Mapping

_COVERAGE = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


def unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which coverage is not measured."""
    return {name: value for name, value in environment.items() if name not in _COVERAGE}
