"""The public address of the API, from headers of trusted proxies only."""

from ipaddress import ip_network
from typing import Any

import pytest

from entrypoints.http.middleware.trusted_proxies import TrustedProxies

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("::1")]


def servers(*headers: tuple[str, str], client: str | None = "10.1.2.3", root: str = "") -> Any:
    scope = {
        "type": "http",
        "scheme": "http",
        "client": client and (client, 5000),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    return [server["url"] for server in TrustedProxies(TRUSTED, root).servers(scope)]


PREFIX, HOST, PROTO = (f"x-forwarded-{name}" for name in ("prefix", "host", "proto"))
ALL = [(PREFIX, "/models"), (HOST, "api.example.org"), (PROTO, "https")]


def test_nothing_is_known_of_a_caller_without_a_proxy() -> None:
    assert servers() == []


def test_the_root_path_is_the_prefix() -> None:
    assert servers(root="/models/housing") == ["/models/housing"]


@pytest.mark.parametrize("client", ["10.1.2.3", "::ffff:10.1.2.3", "::1"])
def test_the_headers_of_a_trusted_proxy_count(client: str) -> None:
    assert servers(*ALL, client=client, root="/other") == [
        "/models",
        "https://api.example.org/models",
    ]


@pytest.mark.parametrize("client", ["11.1.2.3", "::2", "", "unix:", None])
def test_the_headers_of_anybody_else_do_not_count(client: str | None) -> None:
    assert servers(*ALL, client=client, root="/other") == ["/other"]


@pytest.mark.parametrize(
    ("headers", "urls"),
    [
        ([(HOST, "api.example.org:8443")], ["/", "http://api.example.org:8443"]),
        ([(HOST, "[::1]:80"), (PROTO, "HTTPS, http")], ["/", "https://[::1]:80"]),
        ([(HOST, "first.example, second.example")], ["/", "http://first.example"]),
        ([(PROTO, "https")], []),
        ([(PREFIX, "/outer, /inner/")], ["/outer/inner"]),
        ([(PREFIX, "/outer"), (PREFIX, "/inner")], ["/outer/inner"]),
        ([(PREFIX, "/")], []),
    ],
)
def test_several_proxies_and_missing_headers(
    headers: list[tuple[str, str]], urls: list[str]
) -> None:
    assert servers(*headers) == urls


@pytest.mark.parametrize(
    "header",
    [
        (PREFIX, "//evil.example"),
        (PREFIX, "/a, evil"),
        (PREFIX, "https://evil.example"),
        (PREFIX, "/a?b"),
        (HOST, "evil.example/path"),
        (HOST, "user@evil.example"),
        (HOST, ""),
        (HOST, 'a"b'),
    ],
)
def test_a_value_of_another_form_does_not_count(header: tuple[str, str]) -> None:
    assert servers(header) == []


def test_a_scheme_of_another_form_does_not_count() -> None:
    assert servers((HOST, "api.example.org"), (PROTO, "javascript")) == [
        "/",
        "http://api.example.org",
    ]
