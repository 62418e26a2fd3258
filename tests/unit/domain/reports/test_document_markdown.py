import pytest

from domain.reports.document import (
    Cell,
    Code,
    Document,
    DocumentGrid,
    DocumentTable,
    Heading,
    Output,
    Paragraph,
    Picture,
    Points,
    Section,
    written,
)
from domain.reports.document_markdown import to_markdown
from domain.reports.figures import Bars

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
            (DocumentTable(("step", "RMSE"), (("<1H", 1234.5), ("x", None))),),
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


def test_parts_keep_their_order_and_are_no_markup_by_accident() -> None:
    parts = (
        Heading("Of *stars*"),
        Paragraph("See `a < b` and <b>."),
        Points(("one", "two_")),
        Code('print("```")'),
        Output("# <1"),
        DocumentGrid(("", "n"), (("a|b", "1.50"),)),
        Picture("Of *stars*", "<svg/>", "notebook-1-1"),
    )
    page = to_markdown(Document("T", (), "", (Section("S", parts=parts),)), "figures")
    assert page == (
        "# T\n\n## S\n\n"
        "### Of \\*stars\\*\n\n"
        "See `a < b` and &lt;b\\>.\n\n"
        "- one\n- two\\_\n\n"
        "<details><summary>Code</summary>\n\n"
        '````python\nprint("```")\n````\n\n'
        "</details>\n\n"
        "```text\n# <1\n```\n\n"
        "|  | n |\n|---|---:|\n| a\\|b | 1.50 |\n\n"
        "![Of \\*stars\\*](figures/notebook-1-1.svg)\n"
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
