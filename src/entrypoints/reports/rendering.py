"""Pages from templates: Markdown by Jinja2, and the same page as one self-contained HTML file.

A template is a page in Markdown; its values are escaped. The HTML is made from the Markdown; it
loads no script, no font and nothing else from outside the page.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.numbers import readable, rounded

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

TEMPLATES = Path(__file__).parent / "templates"

# What follows this heading is folded in HTML, up to the end of its section.
_FOLDED = "All values"
_NAMESPACE = re.compile(r' xmlns(:\w+)?="[^"]*"')
_MARKUP = re.compile(r"[\\*_\[\]<>|]")


def render(template: str, /, **values: Any) -> str:
    """Return a page of Markdown, or an SVG image, by one of `templates/`."""
    text = _environment().get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def html_page(markdown: str, figures: Mapping[str, str], more: Sequence[str] = ()) -> str:
    """Return a page of Markdown as HTML, for light and dark screens.

    `figures` has the SVG of each image by its name; `more` are further `<section>` elements.
    """
    from markupsafe import Markup

    tokens = parse(markdown)
    starts = [n for n, token in enumerate(tokens) if _opens(token, "h2")]
    ends = [*starts, len(tokens)]
    head, *sections = (
        _html(tokens[start:end], figures) for start, end in zip([0, *starts], ends, strict=True)
    )
    page = _environment().get_template("page.html.j2")
    title = next(text_of(token) for token in tokens if token.type == "inline")
    return page.render(
        title=title,
        head=Markup(head),
        sections=map(Markup, sections),
        more=map(Markup, more),
    )


def prose(markdown: str) -> str:
    """Return Markdown as HTML; HTML in it is shown as text, a link as its text and web address."""
    return _html(parse(markdown), {})


def parse(markdown: str) -> "list[Token]":
    """Return the tokens of a page of Markdown."""
    return _parser().parse(markdown)


def text_of(token: "Token") -> str:
    """Return the text of an inline token; of markup it keeps the backquotes of code."""
    forms = {"softbreak": " ", "code_inline": "`{}`"}
    children = token.children or []
    return "".join(forms.get(each.type, "{}").format(each.content) for each in children)


def summary(markdown: str) -> list[str]:
    """Return the paragraphs before the first section of a page, as plain text."""
    found = []
    for before, token in pairwise(parse(markdown)):
        if _opens(before, "h2"):
            break
        if before.type == "paragraph_open" and before.level == 0:
            found.append(text_of(token))
    return found


def escape_markdown(value: object) -> str:
    """Return a value as text on one line, in which only code between backquotes is markup."""
    parts = re.sub(r"\s+", " ", str(value)).split("`")
    if len(parts) % 2 == 0:
        return "\\`".join(map(_escaped, parts))
    return "".join(f"`{part}`" if n % 2 else _escaped(part) for n, part in enumerate(parts))


def amount(value: float | None) -> str:
    """Return a number for reading: without decimals from ten on; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return rounded(value)


def precise(value: float | None) -> str:
    """Return a number for comparison: with significant digits."""
    if value is None or isinstance(value, int):
        return amount(value)
    return readable(value)


def percent(value: float, decimals: int = 0) -> str:
    """Return a share in percent."""
    return f"{value:.{decimals}%}"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
    from markupsafe import Markup

    @pass_context
    def finalize(context: "Context", value: Any) -> Any:
        if isinstance(value, Markup) or not str(context.name).endswith(".md.j2"):
            return value
        return Markup(escape_markdown(value))

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"amount": amount, "precise": precise, "percent": percent}
    return environment


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("table_open", lambda *_: '<div class="scroll"><table>\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("link_close", _link_close)
    return parser


def _html(tokens: "list[Token]", figures: Mapping[str, str]) -> str:
    headings = (n for n, token in enumerate(tokens) if text_of(token) == _FOLDED)
    folded = next(headings, len(tokens) + 1)
    for before, token in pairwise(tokens):
        children = token.children or []
        if children and {child.type for child in children} <= {"image", "softbreak"}:
            before.attrSet("class", "figures")
    parser = _parser()
    environment = {"figures": figures}
    shown = parser.renderer.render(tokens[: folded - 1], parser.options, environment)
    rest = parser.renderer.render(tokens[folded + 2 :], parser.options, environment)
    details = f"<details><summary>{_FOLDED}</summary>\n{rest}</details>\n" if rest else ""
    return f"{shown}{details}"


def _image(_: object, tokens: "list[Token]", index: int, __: object, env: Any) -> str:
    """Return the drawing itself; for an image that is not a figure of the page, its text."""
    from markupsafe import escape

    title = escape(text_of(tokens[index]) or tokens[index].content)
    svg = env["figures"].get(Path(str(tokens[index].attrs["src"])).stem)
    if svg is None:
        return title
    inline = _NAMESPACE.sub("", svg)  # SVG in HTML needs no namespaces
    return f'<span class="figure" role="img" aria-label="{title}">{inline}</span>'


def _link_open(_: object, tokens: "list[Token]", index: int, __: object, env: Any) -> str:
    env["address"] = str(tokens[index].attrs["href"])
    env["text"] = tokens[index + 1].content
    return ""


def _link_close(_: object, __: object, ___: object, ____: object, env: Any) -> str:
    from markupsafe import escape

    outside = "://" in env["address"] and env["address"] != env["text"]
    return f" ({escape(env['address'])})" if outside else ""


def _opens(token: "Token", tag: str) -> bool:
    return token.type == "heading_open" and token.tag == tag and token.level == 0


def _escaped(text: str) -> str:
    return _MARKUP.sub(lambda sign: "&lt;" if sign[0] == "<" else f"\\{sign[0]}", text)
