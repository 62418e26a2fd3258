"""Joining a Ray cluster, or starting one on this machine, without a word on stdout."""

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
_STORE_BYTES = 100 << 20  # rows never pass through the object store, only the model does

# Ray would report usage to its makers, and warn of what does not concern a batch.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@contextmanager
def joined(address: str, cores: int | None) -> Iterator[None]:
    """Be connected to a cluster; one that the program is connected to already stays so.

    `address` is HOST:PORT, `auto` for the one that runs on this machine, or `local` to start one
    of so many cores (None: all there are), which ends afterwards.

    Raises:
        Misconfigured: the address is none of these.
        Unavailable: there is no cluster, or it cannot be joined.
    """
    _require_listening(address)
    # Ray prints on stdout that a worker was lost, but only the result may stand there.
    with redirect_stdout(sys.stderr):
        if ray.is_initialized():
            yield
            return
        try:
            _join(address, cores)
            yield
        finally:
            ray.shutdown()


def cores() -> int:
    """Return how many cores the cluster has that the program is connected to."""
    connected: Any = ray
    return int(connected.cluster_resources().get("CPU", 0))


def head_answers() -> bool:
    """Whether the head of the cluster is there, for which Ray itself would wait silently."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _join(address: str, cores: int | None) -> None:
    own: dict[str, Any] = {
        "num_cpus": cores,
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
    }
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(own if address == LOCAL else {}),
        )
    except (OSError, RayError, RuntimeError, ValueError, SystemExit) as error:
        raise Unavailable(f"Ray at {address} cannot be joined: {_first_line(error)}") from error


def _require_listening(address: str) -> None:
    """Notice a cluster that is not there, for which Ray would wait for minutes."""
    if address in (LOCAL, _FOUND_BY_RAY):
        return
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise Misconfigured(
            f"RAY_ADDRESS: {address!r} is not allowed; allowed: HOST:PORT of the cluster that "
            f"this machine belongs to, {_FOUND_BY_RAY}, or {LOCAL} to start one here"
        )
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unavailable(f"nothing answers for Ray at {address}: {reason}") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
