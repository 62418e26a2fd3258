"""`signing`: the keys that sign models."""

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import Misconfigured
from entrypoints.cli import output
from entrypoints.cli.options import AsJson, container, option
from entrypoints.wiring.builders import create_signing_key

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command("create-key")
def create_key(
    private: Annotated[
        Path, typer.Argument(metavar="FILE", help="File for the private key; it must not exist.")
    ],
    public: Annotated[
        Path | None, option("FILE", "File for the public key.", default="FILE with .pub.pem")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a pair of Ed25519 keys: the private key signs, the public key verifies.

    Example: modelport signing create-key secrets/release.pem --public trusted/release.pem
    """
    public = public or private.with_suffix(".pub.pem")
    if public == private:
        raise Misconfigured(f"{private} is named for both keys; name two files")
    key = create_signing_key(private, public)
    if as_json:
        output.emit({"key": key, "private": str(private), "public": str(public)})
        return
    output.show(output.facts({"key": key, "private": str(private), "public": str(public)}))
    output.say("anybody with the private key can sign models; keep it where only you can read it")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the configured keys: the one that signs, and the trusted ones.

    Example: modelport signing list
    """
    wired = container()
    signer, verifier = wired.signer(), wired.verifier()
    signs = signer.key if signer else None
    trusted = sorted(verifier.keys) if verifier else None
    if as_json:
        output.emit({"signs": signs, "trusted": trusted})
        return
    shown = {
        "signs": signs or "none: versions are not signed",
        "trusted": ", ".join(trusted) if trusted else "none set: signatures are not verified",
    }
    output.show(output.facts(shown))
