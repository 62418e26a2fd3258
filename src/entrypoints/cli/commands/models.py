"""`models`: list, show, promote and sign versions."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from application.ports import Ledger, ModelStore
from application.promotion.promote_model import Promotion
from domain.errors import Misconfigured
from domain.model.reference import ModelRef, ModelVersion
from domain.model.signature import signatures
from domain.promotion.ledger import Action, LedgerEntry, PromotionOutcome
from entrypoints.cli import output
from entrypoints.cli.commands.model_cards import show
from entrypoints.cli.options import AsJson, SchemaFile, container, option

app = typer.Typer(add_completion=False, no_args_is_help=True)

Ref = Annotated[str, typer.Argument(metavar="REF", help="NAME, NAME@ALIAS or NAME/VERSION.")]

Reason = Annotated[str, option("TEXT", "Reason, recorded in the ledger.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List every version of every model.

    Example: modelport models list
    """
    store: ModelStore = container().store()
    versions = [version for name in store.names() for version in store.versions(name)]
    if as_json:
        output.emit({"versions": [_version_document(version) for version in versions]})
        return
    if not versions:
        output.say("there are no models yet; train one with: modelport train")
        return
    header = ["model", "aliases", "estimator", "RMSE", "R²", "data", "created"]
    output.show_rows(header, [_line(version) for version in versions])


def _line(version: ModelVersion) -> tuple[object, ...]:
    details = version.details
    simulated = " (simulated)" if details.get("data.simulated") == "true" else ""
    return (
        version.label,
        ", ".join(sorted(version.aliases)),
        details.get("estimator", ""),
        float(details.get("rmse", "nan")),
        float(details.get("r2", "nan")),
        details.get("data.sha256", "")[:12] + simulated,
        f"{version.created_at:%Y-%m-%d %H:%M} UTC",
    )


def _version_document(version: ModelVersion) -> dict[str, Any]:
    return {
        "model": version.label,
        "name": version.name,
        "version": version.number,
        "aliases": sorted(version.aliases),
        "bundle": version.bundle_id,
        "created_at": version.created_at.isoformat(),
        "details": dict(version.details),
    }


app.command()(show)


@app.command()
def promote(ref: Ref, reason: Reason = "", as_json: AsJson = False) -> None:
    """Make a version the champion without the promotion gate; it must load and verify.

    Example: modelport models promote housing/3 --reason "the gate compared with a leaky model"
    """
    _show_promotion(container().promote_model()(ModelRef.parse(ref), reason), as_json)


@app.command()
def rollback(
    to: Annotated[
        str | None, option("REF", "Version to return to.", default="the previous champion")
    ] = None,
    schema: SchemaFile = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Make an earlier version the champion again.

    Example: modelport models rollback --reason "too many complaints about the coast"
    """
    wired = container(schema_file=schema)
    use_case = wired.promote_model()
    if to is None:
        _show_promotion(use_case.rollback(wired.model_ref().name, reason), as_json)
    else:
        _show_promotion(use_case(ModelRef.parse(to), reason, Action.ROLLBACK), as_json)


@app.command()
def sign(ref: Ref, as_json: AsJson = False) -> None:
    """Verify a version and sign it with MODELPORT_SIGNING_KEY.

    Example: modelport models sign housing/3
    """
    wired = container()
    if wired.settings().signing_key is None:
        raise Misconfigured("MODELPORT_SIGNING_KEY is not set; set it to the path of a private key")
    version = wired.sign_model()(ModelRef.parse(ref))
    keys = sorted(signatures(version.details))
    if as_json:
        output.emit({"model": version.label, "signed_by": keys})
    else:
        output.show(f"{version.label} is signed by {', '.join(keys)}")


def _show_promotion(promotion: Promotion, as_json: bool) -> None:
    before = promotion.replaced.label if promotion.replaced else None
    if as_json:
        output.emit(
            {
                "champion": promotion.champion.label,
                "replaced": before,
                "changed": promotion.changed,
            }
        )
    elif promotion.changed:
        output.show(f"{promotion.champion.label} is champion now; before: {before or 'none'}")
    else:
        output.show(f"{promotion.champion.label} is already champion")


@app.command()
def history(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Model name.",
            show_default="as in MODELPORT_MODEL, else the schema's",
        ),
    ] = None,
    schema: SchemaFile = None,
    as_json: AsJson = False,
) -> None:
    """List every promotion decision with its reasons, the latest last.

    With --json, each decision includes all measurements.

    Example: modelport models history housing
    """
    wired = container(schema_file=schema)
    ledger: Ledger = wired.ledger()
    model = wired.model_ref().name if name is None else ModelRef.parse(name).name
    entries = ledger.entries(model)
    if as_json:
        output.emit({"decisions": [entry.to_mapping() for entry in entries]})
        return
    if not entries:
        output.say(f"no decisions yet about {escape(model)}")
    for number, entry in enumerate(entries):
        if number:
            output.show("")
        _show_entry(entry)


_COLOURS = {PromotionOutcome.PROMOTED: "green", PromotionOutcome.UNCHANGED: "green"}


def _show_entry(entry: LedgerEntry) -> None:
    colour = _COLOURS.get(entry.outcome, "yellow")
    before = f"; champion before: {entry.champion}" if entry.champion else ""
    output.show(
        f"[dim]{entry.at:%Y-%m-%d %H:%M:%S} UTC[/]  {escape(entry.version)} "
        f"[{colour}]{entry.outcome}[/]{escape(before)}"
    )
    output.show(f"  {entry.action} by {escape(entry.by)}")
    for reason in entry.reasons:
        output.show(f"  {escape(reason)}")
