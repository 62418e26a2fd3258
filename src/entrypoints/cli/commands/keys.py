"""`keys`: the API keys of the server."""

import re
from datetime import datetime, timedelta
from secrets import token_bytes
from typing import Annotated, Any

import typer

from application.ports import KeyStore
from domain.errors import Misconfigured
from domain.security.api_keys import (
    ID_BYTES,
    SALT_BYTES,
    SECRET_BYTES,
    ApiKey,
    Scope,
    create_api_key,
)
from entrypoints.cli import output
from entrypoints.cli.options import AsJson, container, option
from entrypoints.wiring.builders import now

app = typer.Typer(add_completion=False, no_args_is_help=True)

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Name of the key; unique.")],
    scope: Annotated[list[Scope], typer.Option(help="What the key permits; may be repeated.")],
    expires: Annotated[
        str | None, option("TIME", "Validity, such as 12h or 90d.", default="no expiry")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1e9,
            help="Rate limit: requests per second and server process.",
            show_default="no limit",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it; it cannot be shown again.

    Example: modelport keys create --name shop --scope predict --expires 90d --rate 50
    """
    at = now()
    made = create_api_key(
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
    output.say("only a hash is stored: copy the key now, it cannot be shown again")
    output.show(made.token)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the keys without their secrets.

    Example: modelport keys list
    """
    keys = _store().read().keys
    if as_json:
        output.emit({"keys": [_document(key) for key in keys]})
        return
    if not keys:
        output.say("there are no keys; create one with: modelport keys create")
        return
    header = ["id", "name", "scopes", "per second", "created", "expires"]
    output.show(output.grid(header, [_line(key) for key in keys]))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Name or id of the key.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a key; running servers refuse it within about two seconds.

    Example: modelport keys revoke shop
    """
    _store().revoke(key)
    if as_json:
        output.emit({"revoked": key})
    else:
        output.say(f"{key} is revoked")


def _store() -> KeyStore:
    store = container().key_store()
    if store is None:
        raise Misconfigured(
            "MODELPORT_API_KEYS_FILE is not set; set it to the path of the key file"
        )
    return store


def _duration(text: str) -> timedelta:
    found = re.fullmatch("([0-9]{1,5})([hd])", text)
    if found is None:
        raise Misconfigured(
            f"--expires {text!r} is not a duration; allowed: hours or days, such as 12h or 90d"
        )
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
