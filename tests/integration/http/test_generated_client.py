"""A client that is generated from the OpenAPI document of a server, and used."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.environments import INSTALL_SECONDS, programs_of
from tests.integration.http.test_server import ROW, ask
from tests.integration.program import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(INSTALL_SECONDS + 300),
]

SCRIPT = Path(__file__).with_name("ask_by_generated_client.py")
SECONDS = 240


def test_a_generated_client_gets_predictions_by_every_protocol(
    server: Server, tmp_path: Path
) -> None:
    programs, rows = programs_of("openapi-python-client"), [ROW, {**ROW, "median_income": 2.5}]
    generated = subprocess.run(
        [
            programs / "openapi-python-client",
            "generate",
            f"--url={server.url}/openapi.json",
            f"--output-path={tmp_path / 'client'}",
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
    )
    said = generated.stdout + generated.stderr
    assert generated.returncode == 0, said
    # The generator knows no CSV; nothing else is left out of the client.
    assert said.count("Unsupported content type text/csv") == said.count("WARNING") == 1, said
    assert "Unable to process" not in said
    done = subprocess.run(
        [programs / "python", SCRIPT],
        input=json.dumps({"url": server.url, "rows": rows}),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "client")},
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    expected = ask(server, "/predict", json.dumps({"data": rows}).encode())[1]["predictions"]
    assert answers == {"predict": expected, "infer": expected, "invocations": [expected] * 5}
