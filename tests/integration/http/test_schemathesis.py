"""The server against its own OpenAPI document: no fault, and every answer as it is described.

Schemathesis makes the requests, good and bad. It runs from an environment of its own, since it
asks for other versions of libraries than the project does.
"""

import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.environments import INSTALL_SECONDS, programs_of
from tests.integration.program import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(INSTALL_SECONDS + 600),
]

SECONDS = 20
# A busy machine answers late, and how late is not what is tested.
CONFIG = """
request-timeout = 120.0

# All checks are on by default. No key is configured, so that there is none to be ignored.
[checks.ignored_auth]
enabled = false

# What JSON Schema cannot say of these: a tensor's shape is that of its data, and the rows have the
# columns of the model.
[[operations]]
include-path-regex = "^/(invocations|v2/.*/infer)$"
checks.positive_data_acceptance.enabled = false
"""


@pytest.fixture(scope="module")
def schemathesis() -> Path:
    """Return the command of an environment that is made once per machine and lock file."""
    return programs_of("schemathesis") / "st"


def test_no_request_brings_a_fault_or_an_answer_that_is_not_described(
    schemathesis: Path, either_server: Server, tmp_path: Path
) -> None:
    config, report = tmp_path / "schemathesis.toml", tmp_path / "report.ndjson"
    config.write_text(CONFIG)
    command: list[str | Path] = [
        schemathesis,
        "--config-file",
        config,
        "run",
        f"{either_server.url}/openapi.json",
    ]
    command += ["--phases", "examples,coverage,fuzzing", "--max-time", str(SECONDS)]
    command += ["--continue-on-failure", "--seed", "1", "--no-color", "--report", "ndjson"]
    command += ["--report-ndjson-path", report]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS + 400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in report.read_text().splitlines()]
    assert sum("ScenarioFinished" in event for event in events) > 10
    assert "Traceback" not in either_server.said()
