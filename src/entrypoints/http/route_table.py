"""The routes as log and metrics name them, with their protocol, scope and headers."""

from dataclasses import dataclass
from enum import Enum

from domain.security.api_keys import Scope

Headers = tuple[tuple[bytes, bytes], ...]


class Protocol(Enum):
    """The protocol of a route: it decides the form of errors."""

    NATIVE = "native"
    V2 = "v2"
    MLFLOW = "mlflow"


_PLAIN: Headers = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))

_POLICY = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'none'; "
    b"base-uri 'none'; frame-ancestors 'none'"
)

# The page consists of files of this server and of one inline script.
_PAGE: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", _POLICY),
    (b"referrer-policy", b"no-referrer"),
)


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """Paths with one name; without a scope in `needs` they are open, and no limit applies."""

    name: str
    needs: Scope | None = Scope.PREDICT
    protocol: Protocol = Protocol.NATIVE
    headers: Headers = _PLAIN
    reports_readiness: bool = False


_V2_MODEL = "/v2/models/{model}"

_EXACT = {
    route.name: route
    for route in (
        RouteInfo("/predict"),
        RouteInfo("/explain"),
        RouteInfo("/model"),
        RouteInfo("/metrics", Scope.METRICS),
        RouteInfo("/health", None),
        RouteInfo("/health/live", None),
        RouteInfo("/health/ready", None, reports_readiness=True),
        RouteInfo("/", None, headers=_PAGE),
        RouteInfo("/docs", None, headers=_PAGE),
        RouteInfo("/openapi.json", None, headers=_PAGE),
        RouteInfo("/v2", protocol=Protocol.V2),
        RouteInfo("/v2/health/live", None, Protocol.V2),
        RouteInfo("/v2/health/ready", None, Protocol.V2, reports_readiness=True),
        RouteInfo("/v2/repository/index", protocol=Protocol.V2),
        RouteInfo("/ping", None, Protocol.MLFLOW, reports_readiness=True),
        RouteInfo("/version", None, Protocol.MLFLOW),
        RouteInfo("/invocations", protocol=Protocol.MLFLOW),
    )
}
_ASSETS = RouteInfo("/swagger", None, headers=_PAGE)
_INFER = RouteInfo(f"{_V2_MODEL}/infer", protocol=Protocol.V2)
_MODEL_READY = RouteInfo(f"{_V2_MODEL}/ready", None, Protocol.V2, reports_readiness=True)
_MODEL = RouteInfo(_V2_MODEL, protocol=Protocol.V2)
_V2_OTHER = RouteInfo("/v2/other", protocol=Protocol.V2)
_OTHER = RouteInfo("other")


def route_of(path: str) -> RouteInfo:
    """Return the route of a path; the number of routes does not depend on the callers."""
    return _EXACT.get(path) or _further(path)


def _further(path: str) -> RouteInfo:
    if path.startswith("/v2/"):
        if path.endswith("/infer"):
            return _INFER
        if path.endswith("/ready"):
            return _MODEL_READY
        return _MODEL if path.startswith("/v2/models/") else _V2_OTHER
    return _ASSETS if path.startswith("/swagger/") else _OTHER
