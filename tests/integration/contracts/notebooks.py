"""What whatever runs notebooks must do. A subclass provides the fixtures `notebooks` and `put`."""

from collections.abc import Callable

import pytest

from application.ports import Notebooks
from domain.errors import InvalidData, NotFound
from domain.reports.document import Code, Output, Paragraph

Put = Callable[..., str]


class NotebooksContract:
    """Run against every adapter; `put(name, *cells)` keeps a notebook and returns its folder."""

    def test_notebooks_are_run_by_name_each_from_the_top(
        self, notebooks: Notebooks, put: Put
    ) -> None:
        put("b.ipynb", ("code", "print('x' in globals())"))
        folder = put(
            "a.ipynb",
            ("markdown", "# The first"),
            ("markdown", "It adds."),
            ("code", "x = 1"),
            ("code", "print(x + 1)\nprint(x)"),
        )
        first, second = notebooks.run(folder)
        assert (first.name, first.title) == ("a.ipynb", "The first")
        assert first.parts == (
            Paragraph("It adds."),
            Code("x = 1"),
            Code("print(x + 1)\nprint(x)"),
            Output("2\n1"),
        )
        assert (second.name, second.title) == ("b.ipynb", "b")
        assert second.parts == (Code("print('x' in globals())"), Output("False"))

    def test_a_cell_that_fails_is_named(self, notebooks: Notebooks, put: Put) -> None:
        folder = put("bad.ipynb", ("markdown", "Now."), ("code", "y = 1"), ("code", "y / 0"))
        with pytest.raises(InvalidData, match=r"bad\.ipynb, cell 3 of 3 fails: ZeroDivisionError"):
            notebooks.run(folder)

    def test_a_folder_without_notebooks_is_refused(self, notebooks: Notebooks, put: Put) -> None:
        folder = put("a.ipynb", ("markdown", "Here."))
        with pytest.raises(NotFound, match="elsewhere"):
            notebooks.run(f"{folder}/elsewhere")
