from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.reports.rendering import (
    amount,
    escape_markdown,
    html_page,
    precise,
    prose,
    render,
    summary,
)

PAGE = """# How &lt;it\\> was chosen

> **Simulated**

In `short` & <b>so</b>.

## The ladder

![Error by \\<place\\>](figures/errors.svg)
![gone](figures/gone.svg)

- item one

### All values

| step | RMSE |
|---|---:|
| &lt;1H OCEAN | 12 |

## Command

```sh
modelport train > x
```
"""


class Reader(HTMLParser):
    """Notes tags, addresses and text, and that every tag is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def page() -> Reader:
    figures = {"errors": "<svg><text>drawn</text></svg>"}
    reader = Reader()
    reader.feed(html_page(PAGE, figures, ["<section>more</section>"]))
    reader.close()
    return reader


def test_the_page_is_well_formed_and_self_contained(page: Reader) -> None:
    assert page.open == []
    assert page.addresses == []
    assert not {"script", "link", "img", "b"} & {*page.seen}
    assert page.seen.count("section") == 3
    assert page.seen.count("svg") == 1


def test_the_page_shows_everything_as_text(page: Reader) -> None:
    words = "".join(page.words)
    texts = (
        *("How <it> was chosen", "Simulated", "short", "<b>so</b>", "The ladder", "drawn", "gone"),
        *("item one", "All values", "<1H OCEAN", "modelport train > x", "more"),
    )
    assert sorted(texts, key=words.index) == [*texts]


def test_a_summary_is_what_comes_before_the_first_section() -> None:
    assert summary(PAGE) == ["In `short` & <b>so</b>."]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2*3 a_b [x] <b> c|d", "2\\*3 a\\_b \\[x\\] &lt;b\\> c\\|d"),
        ("`a < b` and <b>", "`a < b` and &lt;b\\>"),
        ("a`b", "a\\`b"),
        ("two\n\nlines", "two lines"),
        (7, "7"),
    ],
)
def test_a_value_is_text_in_markdown(value: object, text: str) -> None:
    assert escape_markdown(value) == text


@given(st.text(alphabet="ab <>&*_[]()`|\\\\!#:/\"'\n", max_size=40))
def test_no_value_becomes_markup_in_html(value: str) -> None:
    reader = Reader()
    reader.feed(prose(f"x {escape_markdown(value)} y"))
    assert {*reader.seen} <= {"p", "code"}


@pytest.mark.parametrize(
    ("value", "short", "long"),
    [
        (None, "", ""),
        (1234567, "1,234,567", "1,234,567"),
        (39412.8, "39,413", "39,412.80"),
        (0.12345, "0.123", "0.1235"),
    ],
)
def test_numbers_are_written_for_people(value: float | None, short: str, long: str) -> None:
    assert (amount(value), precise(value)) == (short, long)


def test_a_name_that_a_template_does_not_know_is_an_error() -> None:
    with pytest.raises(Exception, match="is undefined"):
        render("model_card.md.j2")
