from domain.reports.document import Document, DocumentGrid, Heading, Picture
from domain.reports.notebook import Notebook


def test_pictures_have_names_of_their_own_in_a_document() -> None:
    book = Notebook("a.ipynb", "A", (Picture("x", "<svg/>"), Heading("h"), Picture("y", "<svg/>")))
    sections = tuple(book.section(number) for number in (1, 2))
    names = [picture.name for picture in Document("", (), "", sections).pictures]
    assert names == ["notebook-1-1", "notebook-1-2", "notebook-2-1", "notebook-2-2"]
    assert sections[0].parts[1] == Heading("h")


def test_a_column_of_texts_that_are_numbers_is_one_of_figures() -> None:
    rows = (("a", "1.5", "1"), ("b", "NaN", "?"))
    assert DocumentGrid(("", "x", "y"), rows).figures == (False, True, False)
    assert DocumentGrid(("x",), ()).figures == (False,)
    assert DocumentGrid(("", "x", "y"), rows).written == rows
