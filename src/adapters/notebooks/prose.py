"""The prose of a notebook as parts of a document.

A link becomes its text, with the address behind it if that is one of the web: a path beside the
notebook leads nowhere from a page that is sent around. HTML is text, as whoever reads it sees.
"""

from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from domain.reports.document import Heading, Output, Paragraph, Part, Points

_MARKDOWN = MarkdownIt("commonmark", {"html": False})


def read_prose(text: str) -> Iterator[Part]:
    """Yield headings, paragraphs, lists and blocks of code, whatever they are nested in."""
    yield from _parts(SyntaxTreeNode(_MARKDOWN.parse(text)))


def _parts(node: SyntaxTreeNode) -> Iterator[Part]:
    for child in node.children:
        if child.type == "heading":
            yield Heading(_words(child))
        elif child.type == "paragraph":
            yield Paragraph(_words(child))
        elif child.type in ("bullet_list", "ordered_list"):
            yield Points(tuple(_words(item) for item in child.children))
        elif child.type in ("fence", "code_block"):
            yield Output(child.content.rstrip())
        else:
            yield from _parts(child)


def _words(node: SyntaxTreeNode) -> str:
    """Return the text of a node, code between backquotes."""
    if node.type == "code_inline":
        return f"`{node.content}`"
    if node.type in ("softbreak", "hardbreak"):
        return " "
    if not node.children:
        return node.content
    between = " " if node.type == "list_item" else ""
    words = between.join(_words(child) for child in node.children)
    address = str(node.attrs.get("href", ""))
    return f"{words} ({address})" if "://" in address and words != address else words
