"""`models show`: the model card, on the terminal or as a file."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from application.model.load_model import LoadedModel
from domain.errors import Unavailable
from domain.model.reference import ModelRef
from domain.model.signature import signatures
from domain.reports.document import Document, DocumentTable, Section
from domain.reports.document_markdown import to_markdown
from domain.reports.model_card import model_card
from entrypoints.cli import output
from entrypoints.cli.options import AsJson, container
from entrypoints.reports.document_html import to_html
from entrypoints.reports.model_description import describe_model


class CardFormat(StrEnum):
    """How a model card is written."""

    MARKDOWN = "markdown"
    HTML = "html"


_WRITTEN: dict[CardFormat, Callable[[Document], str]] = {
    CardFormat.MARKDOWN: to_markdown,
    CardFormat.HTML: to_html,
}


def show(
    ref: Annotated[str, typer.Argument(metavar="REF", help="NAME, NAME@ALIAS or NAME/VERSION.")],
    kind: Annotated[
        CardFormat | None,
        typer.Option(
            "--format",
            metavar="KIND",
            help=f"How to write the card: {', '.join(CardFormat)}.",
            show_default="for the terminal; of a file, by its suffix",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to write the card to.", show_default="stdout"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the model card of a version, after checking that it is whole.

    It says what the model is for, what it learnt from, how well it does and where it errs, and how
    to make it again.

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
        _show_card(card)
    elif out is None:
        typer.echo(_WRITTEN[kind](card), nl=False)
    else:
        _write(out, _WRITTEN[kind](card))
        output.show(f"model card of {model.version.label}: {escape(str(out))}")


def card_of(model: LoadedModel) -> Document:
    """Return the card of a version, with what its registry knows."""
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
    return model_card(model.manifest, facts)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error


def _show_card(card: Document) -> None:
    output.show(f"[bold cyan]{escape(card.title)}[/]")
    if card.warning:
        output.show(f"[yellow bold]{escape(card.warning)}[/]")
    for sentence in card.summary:
        output.show(escape(sentence))
    for section in card.sections:
        _show_section(section)


def _show_section(section: Section) -> None:
    output.show(f"\n[bold]{escape(section.title)}[/]")
    for sentence in section.sentences:
        output.show(escape(sentence))
    for point in section.points:
        output.show(f"- {escape(point)}")
    if section.command:
        output.show(f"  {escape(section.command)}")
    for table in section.tables:
        _show_table(table)


def _show_table(table: DocumentTable) -> None:
    output.show_rows(
        table.header, [["" if cell is None else cell for cell in row] for row in table.rows]
    )
