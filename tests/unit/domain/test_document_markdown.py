import pytest

from domain.document import Cell, Document, Section, Table, written
from domain.document_markdown import to_markdown
from domain.figures import Bars

FIGURE = Bars("errors", "Error by place", "RMSE", ("sea",), (1.0,))
DOCUMENT = Document(
    "How it was chosen",
    ("By `train`, of 2*3 models.",),
    "Simulated data",
    (
        Section(
            "The ladder",
            ("It is a_b.",),
            ("one | two",),
            (Table(("step", "RMSE"), (("<1H", 1234.5), ("x", None))),),
            (FIGURE,),
            "modelport train",
        ),
    ),
)


def test_a_document_is_a_page_of_markdown() -> None:
    assert to_markdown(DOCUMENT, "figures") == (
        "# How it was chosen\n\n"
        "> **Simulated data**\n\n"
        "By `train`, of 2\\*3 models.\n\n"
        "## The ladder\n\n"
        "It is a\\_b.\n\n"
        "- one \\| two\n\n"
        "```sh\nmodelport train\n```\n\n"
        "| step | RMSE |\n|---|---:|\n| &lt;1H | 1,234 |\n| x |  |\n\n"
        "![Error by place](figures/errors.svg)\n"
    )


def test_a_lone_backquote_is_no_code() -> None:
    page = to_markdown(Document("a`b", (), "", ()), "figures")
    assert page == "# a\\`b\n"


def test_a_document_knows_its_figures() -> None:
    assert DOCUMENT.figures == (FIGURE,)


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, ""), ("x", "x"), (1234567, "1,234,567"), (39412.8, "39,413"), (0.05, "0.05")],
)
def test_a_cell_is_written_as_people_write_it(cell: Cell, text: str) -> None:
    assert written(cell) == text
