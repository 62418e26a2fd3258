"""The connection to a Ray cluster, or to a new one on this machine; nothing is printed."""

import logging
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import ray
from ray.exceptions import RayError

from domain.errors import Misconfigured, Unavailable

LOCAL = "local"
_FOUND_BY_RAY = "auto"
_ADDRESS = re.compile(r"([^/:\s]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})")
_CONNECT_SECONDS = 10.0
_STORE_BYTES = 100 << 20  # the object store holds only the model, never rows

# Turns off usage statistics, and a warning that does not concern batch jobs.
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@contextmanager
def connected(address: str, cores: int | None) -> Iterator[None]:
    """Connect to a cluster; an existing connection of the process is used and left open.

    `address` is HOST:PORT, `auto` for the cluster of this machine, or `local` to start one with a
    number of cores (None: all of this machine), which ends with the context.

    Raises:
        Misconfigured: the address is none of these.
        Unavailable: there is no such cluster, or it refuses the connection.
    """
    _require_listening(address)
    # Ray prints to stdout when a worker is lost; stdout is only for results.
    with redirect_stdout(sys.stderr):
        if ray.is_initialized():
            yield
            return
        try:
            _connect(address, cores)
            yield
        finally:
            ray.shutdown()


def cores() -> int:
    """Return the number of cores of the connected cluster."""
    connection: Any = ray
    return int(connection.cluster_resources().get("CPU", 0))


def head_answers() -> bool:
    """Whether the head of the cluster accepts connections; Ray would wait for it silently."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def first_line(error: BaseException) -> str:
    """Return the first line of an error message; without a message the type of the error."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _connect(address: str, cores: int | None) -> None:
    new_cluster: dict[str, Any] = {
        "num_cpus": cores,
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
    }
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(new_cluster if address == LOCAL else {}),
        )
    except (OSError, RayError, RuntimeError, ValueError, SystemExit) as error:
        raise Unavailable(f"cannot connect to Ray at {address}: {first_line(error)}") from error


def _require_listening(address: str) -> None:
    """Check that something listens at the address; Ray would wait for minutes."""
    if address in (LOCAL, _FOUND_BY_RAY):
        return
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise Misconfigured(
            f"RAY_ADDRESS: {address!r} is not allowed; allowed: HOST:PORT of the cluster to which "
            f"this machine belongs, {_FOUND_BY_RAY}, or {LOCAL} to start one here"
        )
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unavailable(f"no Ray cluster answers at {address}: {reason}") from error
