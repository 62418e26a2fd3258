"""Running the application under uvicorn."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE

from domain.errors import Unavailable
from entrypoints.errors import DONE
from entrypoints.http.server_log import log_config
from entrypoints.http.uvicorn.connection import Connection
from entrypoints.http.uvicorn.sockets import listeners
from entrypoints.http.uvicorn.workers import GracefulServer, Workers
from entrypoints.wiring.container import build_container
from entrypoints.wiring.settings import Settings, load_settings, variables

_GRACE_SECONDS = 30
# A worker that says nothing for so long is ended, with what it was answering. It may only be slow.
_HANGING_SECONDS = 20


def run(host: str, port: int, workers: int, model: str | None) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished first.

    Worker processes read the settings for themselves, so an option is handed on to them in the
    environment.

    Raises:
        Misconfigured: a setting or a file of keys is wrong; said before the server starts.
        Unavailable: the server cannot start, for example since the port is taken.
    """
    settings = load_settings({"model": model})
    wired = build_container(settings)
    keys = wired.key_store()
    if keys is not None:
        keys.read()
    wired.verifier()
    wired.traces()
    if model is not None:
        environ[variables()["model"]] = model
    # When all is finished, uvicorn raises the signal that ended it once more.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(DONE))
    try:
        with _shared_metrics(settings.metrics_dir, workers):
            _serve(_config(host, port, workers, settings))
    except SystemExit as ended:
        if ended.code != DONE:
            raise Unavailable(
                f"the server cannot start on {host} port {port}; the reason is above"
            ) from None


def _config(host: str, port: int, workers: int, settings: Settings) -> Config:
    return Config(
        "entrypoints.http.app:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        http=Connection,
        ws="none",
        access_log=False,
        log_config=log_config(settings.log_format),
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_worker_healthcheck=_HANGING_SECONDS,
    )


def _serve(config: Config) -> None:
    if config.workers > 1:
        Workers(config, listeners(config)).run()
        return
    server = GracefulServer(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


@contextmanager
def _shared_metrics(folder: Path | None, workers: int) -> Iterator[None]:
    """Give several processes a folder in which they add up their metrics."""
    if folder is not None or workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="modelport-metrics-") as made:
        environ[variables()["metrics_dir"]] = made
        yield
