"""Runs the application under uvicorn."""

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
from entrypoints.http.uvicorn.graceful_shutdown import GracefulServer
from entrypoints.http.uvicorn.workers import Workers, bind
from entrypoints.wiring.container import build_container
from entrypoints.wiring.settings import Accelerators, Settings, load_settings, variables

_SHUTDOWN_SECONDS = 30
# A worker that does not respond for this long is killed. It may only be slow: hence the long time.
_HEALTH_CHECK_SECONDS = 10


def run(
    host: str, port: int, workers: int, model: str | None = None, schema: Path | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, and finish the requests in flight.

    Worker processes load the settings from the environment, so the model reference is set there.

    Raises:
        Misconfigured: a setting or a key file is invalid; raised before the server starts.
        Unavailable: the server cannot start, for example because the port is taken.
    """
    settings = load_settings({"model": model, "schema_file": schema})
    wired = build_container(settings)
    keys = wired.key_store()
    if keys is not None:
        keys.read()
    wired.verifier()
    wired.traces()
    environ[variables()["model"]] = str(wired.model_ref())
    # uvicorn raises the signal that stopped it again when all requests are finished.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(DONE))
    try:
        with _metrics_folder(settings.metrics_dir, workers):
            _serve(_config(host, port, workers, settings))
    except SystemExit as exit_:
        if exit_.code != DONE:
            message = f"the server cannot start on {host} port {port}; the reason is above"
            raise Unavailable(message) from None


def _config(host: str, port: int, workers: int, settings: Settings) -> Config:
    return Config(
        "entrypoints.http.app:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        http=_connection(settings.accelerators),
        ws="none",
        access_log=False,
        log_config=log_config(settings.log_format),
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_worker_healthcheck=_HEALTH_CHECK_SECONDS,
    )


def _connection(accelerators: Accelerators) -> type[Connection]:
    if accelerators is Accelerators.NONE:
        return Connection
    from entrypoints.http.fast_path.direct_connection import DirectConnection

    return DirectConnection


def _serve(config: Config) -> None:
    if config.workers > 1:
        Workers(config, bind(config)).run()
        return
    server = GracefulServer(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


@contextmanager
def _metrics_folder(folder: Path | None, workers: int) -> Iterator[None]:
    """Create the folder in which several processes share their metrics, unless there is one."""
    if folder is not None or workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="modelport-metrics-") as created:
        environ[variables()["metrics_dir"]] = created
        yield
