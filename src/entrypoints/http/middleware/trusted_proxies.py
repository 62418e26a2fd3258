"""The public address of the API, as a reverse proxy states it.

Any caller can send `X-Forwarded-…`: the headers count only if the connection comes from a trusted
proxy.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

_PREFIX = re.compile(r"(?:/[\w.~-]+)*/?", re.ASCII)
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)
_SCHEMES = ("http", "https")


class TrustedProxies:
    """Reads the headers of the proxies in `networks`; `root_path` is the prefix without any."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network], root_path: str) -> None:
        self._networks = [*networks]
        self._root_path = root_path

    def servers(self, scope: Scope) -> list[dict[str, str]]:
        """Return `servers` of the OpenAPI document; empty if prefix and host are not known.

        The address without a host comes first: it is right for the browser that shows the page.
        """
        headers = Headers(scope=scope) if self._trusts(scope.get("client")) else Headers()
        prefix = _prefix(headers.getlist("x-forwarded-prefix")) or self._root_path
        host = _first(headers.get("x-forwarded-host", ""))
        scheme = _first(headers.get("x-forwarded-proto", "")).lower()
        addresses = [prefix] if prefix else []
        if _HOST.fullmatch(host):
            origin = f"{scheme if scheme in _SCHEMES else scope['scheme']}://{host}"
            addresses = [prefix or "/", f"{origin}{prefix}"]
        return [{"url": address} for address in addresses]

    def _trusts(self, client: Sequence[object] | None) -> bool:
        try:
            address = ip_address(str(client[0]) if client else "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def _prefix(values: Sequence[str]) -> str:
    """Return the prefix; proxies in a row each add the part that they have removed."""
    parts = [part.strip() for value in values for part in value.split(",")]
    if not all(map(_PREFIX.fullmatch, parts)):
        return ""
    return "".join(part.rstrip("/") for part in parts)


def _first(value: str) -> str:
    """Return the first entry: the one of the proxy that is next to the caller."""
    return value.partition(",")[0].strip()
