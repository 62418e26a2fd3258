"""API keys from the command that makes them to the server that asks for them."""

from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.integration.http.conftest import ready
from tests.integration.http.test_server import BODY
from tests.integration.processes import STOP_SECONDS
from tests.integration.program import Place, Server, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def made(where: Place, name: str, *scopes: str) -> str:
    options = [part for scope in scopes for part in ("--scope", scope)]
    document = where.good("keys", "create", "--name", name, *options, "--json").document
    return str(document["token"])


def status(server: Server, token: str = "", path: str = "/predict") -> int:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = Request(f"{server.url}{path}", BODY if path == "/predict" else None, headers)
    try:
        with urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_keys_that_are_made_and_revoked_hold_for_a_running_server(served: Place) -> None:
    locked = served.having(MODELPORT_API_KEYS_FILE="keys.json")
    caller = made(locked, "shop", "predict")
    watcher = made(locked, "ops", "metrics")
    assert caller not in (locked / "keys.json").read_text()
    with serving(locked, "--workers", "2") as server:
        ready(server, times=2)
        assert [status(server, each) for each in ("", watcher, caller)] == [401, 403, 200]
        assert [status(server, each, "/metrics") for each in ("", caller, watcher)] == [
            *(401, 403, 200)
        ]
        later = made(locked, "later", "admin")
        wait_until(
            lambda: [status(server, later) for _ in range(8)] == [200] * 8,
            STOP_SECONDS,
            server.said,
        )
        locked.good("keys", "revoke", "shop")
        wait_until(
            lambda: [status(server, caller) for _ in range(8)] == [401] * 8,
            STOP_SECONDS,
            server.said,
        )
        (locked / "keys.json").write_text("{")
        wait_until(lambda: "stay valid" in server.said(), STOP_SECONDS, server.said)
        assert status(server, later) == 200
        assert server.stop() == 0


@pytest.mark.parametrize("content", [None, "{", '{"keys": [{}]}'])
def test_a_server_does_not_start_without_the_keys_it_was_told_of(
    served: Place, content: str | None
) -> None:
    locked = served.having(MODELPORT_API_KEYS_FILE="keys.json")
    if content is not None:
        (locked / "keys.json").write_text(content)
    ran = locked.run("serve", "--port", "0")
    assert ran.code == 78, ran
    assert "keys.json" in ran.err


def test_the_commands_say_what_there_is(served: Place) -> None:
    assert served.call("keys", "list").code == 78
    locked = served.having(MODELPORT_API_KEYS_FILE="keys.json")
    token = made(locked, "shop", "predict", "metrics")
    assert locked.call("keys", "create", "--name", "shop", "--scope", "predict").code == 65
    assert locked.call("keys", "create", "--name", "x", "--scope", "all").code == 2
    assert (
        locked.call("keys", "create", "--name", "x", "--scope", "predict", "--expires", "3w").code
        == 78
    )
    (listed,) = locked.good("keys", "list", "--json").document["keys"]
    assert (listed["name"], listed["scopes"]) == ("shop", ["metrics", "predict"])
    assert token.split("_")[1] == listed["id"]
    shown = locked.good("keys", "list").out
    assert "shop" in shown
    assert token not in shown
    assert locked.call("keys", "revoke", "nobody").code == 66
    locked.good("keys", "revoke", listed["id"])
    assert "there are no keys" in locked.good("keys", "list").err
