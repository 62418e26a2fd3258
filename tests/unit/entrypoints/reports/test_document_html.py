from base64 import b64decode
from html.parser import HTMLParser

import pytest

from domain.reports.document import (
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
)
from domain.reports.figures import Bars
from entrypoints.reports.document_html import to_html

FIGURE = Bars("errors", "Error by <place>", "RMSE", ("sea",), (1.0,))
SECTION = Section(
    "The <ladder>",
    ("Run `train <x>`.",),
    ("first & last",),
    (DocumentTable(("step", "RMSE"), (("<1H OCEAN", 3.0), ("b", 12.0))),),
    (FIGURE,),
    "modelport train > x",
)
DOCUMENT = Document("How <it> was chosen", ("In short.",), "Simulated", (SECTION,))


class Reader(HTMLParser):
    """Notes tags, attributes and text, and that every tag is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@pytest.fixture
def page() -> Reader:
    return read(to_html(DOCUMENT, {"errors": "<svg><text>drawn</text></svg>"}))


def test_the_page_is_whole_and_needs_nothing_else(page: Reader) -> None:
    assert page.open == []
    assert page.addresses == []
    assert not {"script", "link", "img"} & {*page.seen}


def test_everything_is_there_and_nothing_is_markup_by_accident(page: Reader) -> None:
    words = "".join(page.words)
    for text in (
        *("How <it> was chosen", "Simulated", "In short.", "The <ladder>", "first & last"),
        *("<1H OCEAN", "12", "modelport train > x", "drawn", "train <x>"),
    ):
        assert text in words
    assert page.seen.count("code") == 1
    assert {"svg", "figure", "table", "pre", "li"} <= {*page.seen}


def test_parts_keep_their_order_and_nothing_of_them_is_markup() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" id="one"><script/></svg>'
    parts = (
        Heading("head <h>"),
        Paragraph("prose <p> `code <c>`"),
        Points(("point <i>",)),
        Code("if a < b: <b>"),
        Output("printed <o>"),
        DocumentGrid(("<n>",), (("1.50",),)),
        Picture('pic"<t>', svg, "notebook-1-1"),
    )
    html = to_html(Document("T", (), "", (Section("S", parts=parts),)))
    page = read(html)
    words = "".join(page.words)
    texts = ["head <h>", "prose <p> code <c>", "point <i>", "if a < b: <b>", "printed <o>", "<n>"]
    assert sorted(texts, key=words.index) == texts
    assert page.open == []
    assert not {"b", "i", "o", "t", "script"} & {*page.seen}
    assert "<details><summary>Code</summary><pre>if" in html
    assert '<td class="figure">1.50</td>' in html
    assert 'alt="pic&quot;&lt;t&gt;"' in html
    (address,) = page.addresses
    kind, content = address.split(",")
    assert kind == "data:image/svg+xml;base64"
    assert b64decode(content).decode() == svg
