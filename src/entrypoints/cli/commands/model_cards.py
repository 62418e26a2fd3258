"""`models show`: the model card, on the terminal or as a file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from application.model.load_model import LoadedModel
from domain.errors import Unavailable
from domain.model.reference import ModelRef
from domain.model.signature import signatures
from entrypoints.cli import output
from entrypoints.cli.options import AsJson, container, option
from entrypoints.reports.model_card import ModelCard, card_html, card_markdown
from entrypoints.reports.model_description import describe_model
from entrypoints.reports.rendering import parse, text_of


class CardFormat(StrEnum):
    """The formats of a model card."""

    MARKDOWN = "markdown"
    HTML = "html"


def show(
    ref: Annotated[str, typer.Argument(metavar="REF", help="NAME, NAME@ALIAS or NAME/VERSION.")],
    kind: Annotated[
        CardFormat | None,
        option(
            "KIND",
            f"Format of the card: {', '.join(CardFormat)}.",
            default="for the terminal; for a file, by its suffix",
            name="--format",
        ),
    ] = None,
    out: Annotated[
        Path | None, option("FILE", "File to write the card to.", default="stdout")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the model card of a version, after its bundle is verified.

    The card has the purpose of the model, its data, its errors by segment, and the command that
    trains it again.

    Example: modelport models show housing@champion --out card.html
    """
    model: LoadedModel = container().load_model()(ModelRef.parse(ref))
    if as_json:
        output.emit(describe_model(model))
        return
    card = card_of(model)
    if out is not None and kind is None:
        kind = CardFormat.HTML if out.suffix in (".html", ".htm") else CardFormat.MARKDOWN
    if kind is None:
        _show_card(card_markdown(card))
        return
    text = card_html(card) if kind is CardFormat.HTML else card_markdown(card)
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write(out, text)
        output.show(f"model card of {model.version.label}: {escape(str(out))}")


def card_of(model: LoadedModel) -> ModelCard:
    """Return the card of a version, with the facts of its registry."""
    version = model.version
    facts = {
        "version": version.label,
        "aliases": ", ".join(sorted(version.aliases)),
        "bundle": version.bundle_id,
        "signed by": ", ".join(sorted(signatures(version.details))),
        "registered": f"{version.created_at:%Y-%m-%d %H:%M} UTC",
        "data": version.details.get("data.uri", ""),
        "run": version.details.get("run", ""),
    }
    return ModelCard(model.manifest, facts)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error


def _show_card(markdown: str) -> None:
    rows: list[list[str]] = []
    right: set[int] = set()
    opened = ""
    for token in parse(markdown):
        if token.type == "inline":
            _show_text(opened, text_of(token), rows)
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "th_open" and "style" in token.attrs:
            right.add(len(rows[0]))
        elif token.type == "table_close":
            output.show_rows(rows[0], rows[1:], right)
            rows, right = [], set()
        elif token.type == "fence":
            output.show(f"  {escape(token.content.rstrip())}")
        if token.nesting == 1 and (token.tag != "p" or token.level == 0):
            opened = token.tag


_STYLES = {
    "h1": "[bold cyan]{}[/]",
    "h2": "\n[bold]{}[/]",
    "blockquote": "[yellow bold]{}[/]",
    "li": "- {}",
}


def _show_text(opened: str, text: str, rows: list[list[str]]) -> None:
    if opened in ("th", "td"):
        rows[-1].append(text)
    else:
        output.show(_STYLES.get(opened, "{}").format(escape(text)))
