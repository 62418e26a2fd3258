"""Signed models: the commands and the server."""

import json
from pathlib import Path

import pytest

from tests.integration.http.test_following import wait_for
from tests.integration.program import Place, place, serving


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """A home with a champion that was signed when it was registered, and a second version."""
    made = place(tmp_path, MODELPORT_DATA="sample:200", MODELPORT_POLL_SECONDS="0.1")
    made.good("signing", "create-key", "ours.pem", "--public", "trusted/ours.pem")
    signing = made.having(MODELPORT_SIGNING_KEY="ours.pem")
    signing.good("train", "--estimator", "ridge")
    made.good("train", "--estimator", "tree", "--no-promote")
    return made.having(MODELPORT_TRUSTED_KEYS="trusted")


def test_commands_load_signed_versions_only(here: Place) -> None:
    here.good("predict-one")
    assert here.good("models", "show", "housing", "--json").document["signed_by"] == [
        here.good("signing", "list", "--json").document["trusted"][0]
    ]
    rows = here / "rows.jsonl"
    here.good("data", "sample", "--rows", "5", "--out", rows)
    unsigned = ("--model", "housing/2")
    for command in (
        ("predict-one", *unsigned),
        ("predict", str(rows), str(here / "out.jsonl"), *unsigned),
        ("evaluate", *unsigned),
        ("models", "show", "housing/2"),
        ("models", "promote", "housing/2"),
    ):
        refused = here.call(*command)
        assert (refused.code, "housing/2: it is not signed" in refused.err) == (77, True), refused
    assert ("housing/1", ["champion"]) in here.registered()
    signing = here.having(MODELPORT_SIGNING_KEY="ours.pem")
    signed = signing.good("models", "sign", "housing/2", "--json").document
    assert (signed["model"], len(signed["signed_by"])) == ("housing/2", 1)
    here.good("models", "promote", "housing/2")


def test_invalid_keys_are_invalid_settings(here: Place) -> None:
    assert here.call("models", "sign", "housing/2").code == 78
    for settings in ({"MODELPORT_TRUSTED_KEYS": "absent"}, {"MODELPORT_TRUSTED_KEYS": "ours.pem"}):
        refused = here.having(**settings).call("predict-one")
        assert (refused.code, "trusted keys" in refused.err) == (78, True), refused
        assert here.having(**settings).run("serve", "--port", "0").code == 78
    refused = here.having(MODELPORT_SIGNING_KEY="trusted/ours.pem").call("train")
    assert (refused.code, "signing key" in refused.err) == (78, True), refused
    assert here.call("signing", "create-key", "ours.pem").code == 75
    assert here.call("signing", "create-key", "x.pem", "--public", "x.pem").code == 78


@pytest.mark.slow
def test_a_server_keeps_the_signed_version_until_the_next_one_is_signed(here: Place) -> None:
    with serving(here) as server:
        wait_for(server, model="housing/1", degraded=False)
        aliases = here / "artifacts/models/registry/housing/aliases.json"
        aliases.write_text(json.dumps({"champion": 2}))
        kept = wait_for(server, model="housing/1", degraded=True)
        assert kept["problem"].startswith("housing/2: it is not signed; allowed: signed by ")
        aliases.write_text(json.dumps({"champion": 1}))
        wait_for(server, model="housing/1", degraded=False)
        here.having(MODELPORT_SIGNING_KEY="ours.pem").good("models", "sign", "housing/2")
        aliases.write_text(json.dumps({"champion": 2}))
        wait_for(server, model="housing/2", degraded=False)
        assert server.stop() == 0
