"""`keys`: who may call the server."""

import re
from datetime import datetime, timedelta
from secrets import token_bytes
from typing import Annotated, Any

import typer

from application.ports import KeyStore
from domain.errors import Misconfigured
from domain.security.api_keys import ID_BYTES, SALT_BYTES, SECRET_BYTES, ApiKey, Scope, mint
from entrypoints.cli import output
from entrypoints.cli.options import AsJson, container
from entrypoints.wiring.builders import now

app = typer.Typer(help="Say who may call the server.", no_args_is_help=True)

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Whose key it is; each name once.")],
    scope: Annotated[list[Scope], typer.Option(help="What it is good for; may be repeated.")],
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="How long it is good, like 12h or 90d.", show_default="for ever"
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1e9,
            help="Requests per second that each server process answers.",
            show_default="no limit",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and print it: the only time that it can be read.

    Example: modelport keys create --name shop --scope predict --expires 90d --rate 50
    """
    at = now()
    made = mint(
        name,
        scope,
        token_bytes(ID_BYTES + SALT_BYTES + SECRET_BYTES),
        at,
        expires_at=None if expires is None else at + _duration(expires),
        rate=rate,
    )
    _store().add(made.key)
    if as_json:
        output.emit({"token": made.token, **_document(made.key)})
        return
    output.say("kept as a hash only: this is the one time that the key is shown")
    output.show(made.token)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the keys, without what would let one use them.

    Example: modelport keys list
    """
    keys = _store().read().keys
    if as_json:
        output.emit({"keys": [_document(key) for key in keys]})
        return
    if not keys:
        output.say("there are no keys; make one with: modelport keys create")
        return
    header = ["id", "name", "scopes", "per second", "created", "expires"]
    output.show(output.grid(header, [_line(key) for key in keys]))


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="KEY", help="Its name or its id.")],
    as_json: AsJson = False,
) -> None:
    """Make a key good for nothing; running servers notice within a second or two.

    Example: modelport keys revoke shop
    """
    _store().revoke(which)
    if as_json:
        output.emit({"revoked": which})
    else:
        output.say(f"{which} is revoked")


def _store() -> KeyStore:
    store = container().key_store()
    if store is None:
        raise Misconfigured("MODELPORT_API_KEYS_FILE is not set; allowed: the path of a file")
    return store


def _duration(text: str) -> timedelta:
    found = re.fullmatch("([0-9]{1,5})([hd])", text)
    if found is None:
        raise Misconfigured(f"--expires {text!r} is not a time; allowed: hours or days, 12h or 90d")
    return int(found[1]) * _UNITS[found[2]]


def _document(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "rate": key.rate,
    }


def _line(key: ApiKey) -> tuple[object, ...]:
    return (
        key.id,
        key.name,
        ", ".join(sorted(key.scopes)),
        "no limit" if key.rate is None else f"{key.rate:g}",
        _written(key.created_at),
        "never" if key.expires_at is None else _written(key.expires_at),
    )


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
