"""Lets `python -m entrypoints.cli` stand for `modelport`."""

from entrypoints.cli import main

main()
