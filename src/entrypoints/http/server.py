"""Running the application under uvicorn."""

from os import environ

import uvicorn

from entrypoints.wiring.settings import load_settings, variables

_GRACE_SECONDS = 30


def run(host: str, port: int, workers: int, model: str | None) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished first.

    Worker processes read the settings for themselves, so an option is handed on to them in the
    environment.

    Raises:
        Misconfigured: a setting is wrong; said before the server starts.
    """
    load_settings({"model": model})
    if model is not None:
        environ[variables()["model"]] = model
    uvicorn.run(
        "entrypoints.http.app:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        log_level="info",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
