"""`signing`: keys that vouch for models."""

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import Misconfigured
from entrypoints.cli import output
from entrypoints.cli.options import AsJson, container
from entrypoints.wiring.builders import create_signing_key

app = typer.Typer(help="Make and look at the keys that sign models.", no_args_is_help=True)


@app.command("create-key")
def create_key(
    private: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Where the private key goes; it must not exist."),
    ],
    public: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where the public key goes.", show_default="FILE with .pub.pem"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a pair of Ed25519 keys: the private one signs, the public one lets others check.

    Example: modelport signing create-key secrets/release.pem --public trusted/release.pem
    """
    public = public or private.with_suffix(".pub.pem")
    if public == private:
        raise Misconfigured(f"{private}: the two keys need two files")
    key = create_signing_key(private, public)
    if as_json:
        output.emit({"key": key, "private": str(private), "public": str(public)})
        return
    output.show(output.facts({"key": key, "private": str(private), "public": str(public)}))
    output.say("whoever has the private key can sign models; keep it where only you can read it")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the keys in force: which one signs, and which ones are trusted.

    Example: modelport signing list
    """
    wired = container()
    signer, verifier = wired.signer(), wired.verifier()
    signs = signer.key if signer else None
    trusted = sorted(verifier.keys) if verifier else None
    if as_json:
        output.emit({"signs": signs, "trusted": trusted})
        return
    every = "every model is loaded, signed or not"
    shown = {
        "signs": signs or "nothing is signed",
        "trusted": ", ".join(trusted) if trusted else every,
    }
    output.show(output.facts(shown))
