"""Ports of reports: plots and notebooks."""

from collections.abc import Sequence
from typing import Protocol

from domain.reports.figures import Figure
from domain.reports.notebook import Notebook


class Plotter(Protocol):
    """Draws figures."""

    def draw(self, figure: Figure) -> str:
        """Return a figure as an SVG element, which can stand in a page or in a file."""
        ...


class Notebooks(Protocol):
    """Runs notebooks: prose and Python, cell by cell."""

    def run(self, folder: str) -> Sequence[Notebook]:
        """Run every notebook of a folder, by name, each from top to bottom and starting anew.

        Nothing is written to them. Their first heading is their title.

        Raises:
            NotFound: there is none in the folder.
            UnreadableData: a file is not a notebook.
            InvalidData: a cell fails; says which cell of which notebook.
            Unavailable: what runs them cannot be started, or ends.
        """
        ...
