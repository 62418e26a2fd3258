"""Running the application under uvicorn."""

import signal
import sys
from os import environ
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from domain.errors import Unavailable
from entrypoints.errors import DONE
from entrypoints.wiring.settings import load_settings, variables

_GRACE_SECONDS = 30


def run(host: str, port: int, workers: int, model: str | None) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished first.

    Worker processes read the settings for themselves, so an option is handed on to them in the
    environment.

    Raises:
        Misconfigured: a setting is wrong; said before the server starts.
        Unavailable: the server cannot start, for example since the port is taken.
    """
    load_settings({"model": model})
    if model is not None:
        environ[variables()["model"]] = model
    # When all is finished, uvicorn raises the signal that ended it once more.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(DONE))
    try:
        uvicorn.run(
            "entrypoints.http.app:from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            access_log=False,
            log_config=_log_config(),
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    except SystemExit as ended:
        if ended.code != DONE:
            raise Unavailable(
                f"the server cannot start on {host} port {port}; the reason is above"
            ) from None


def _log_config() -> dict[str, Any]:
    """Return uvicorn's configuration, with what the application says beside what uvicorn says."""
    loggers = LOGGING_CONFIG["loggers"]
    return {**LOGGING_CONFIG, "loggers": {**loggers, "modelport": loggers["uvicorn"]}}
