"""The clients of Triton, unmodified, against a real server."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.environments import INSTALL_SECONDS, programs_of
from tests.integration.protocols.conftest import Asked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(INSTALL_SECONDS + 120),
]

SCRIPT = Path(__file__).with_name("ask_by_triton.py")
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "protocols.md"


@pytest.fixture(scope="module")
def both(server: Asked) -> dict[str, Any]:
    asked = {"host": server.url.removeprefix("http://"), "model": "housing", "rows": server.rows}
    done = subprocess.run(
        [programs_of("tritonclient") / "python", SCRIPT],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


@pytest.fixture(params=["sync", "aio"])
def answers(both: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(both[request.param])


def test_server_and_model_are_ready_and_no_other(answers: dict[str, Any]) -> None:
    questions = ("live", "ready", "model_ready", "version_ready")
    assert [answers[question] for question in questions] == [True] * 4
    assert [answers["other_ready"], answers["other_version_ready"]] == [False, False]


def test_metadata_tells_what_to_send(answers: dict[str, Any], server: Asked) -> None:
    model = answers["model"]
    assert answers["server"]["extensions"] == ["binary_tensor_data", "model_configuration"]
    assert (model["name"], model["versions"]) == ("housing", ["1"])
    assert [tensor["name"] for tensor in model["inputs"]] == [*server.rows[0]]
    assert model["inputs"][-1] == {"name": "ocean_proximity", "datatype": "BYTES", "shape": [-1]}
    assert model["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]


def test_the_configuration_has_the_tensors_of_the_metadata(answers: dict[str, Any]) -> None:
    config, model = answers["config"], answers["model"]
    kinds = {"FP64": "TYPE_FP64", "BYTES": "TYPE_STRING"}
    assert config == answers["config_of_version"]
    assert (config["name"], config["platform"]) == (model["name"], model["platform"])
    assert config["max_batch_size"] == 0
    for configured, tensors in (("input", "inputs"), ("output", "outputs")):
        assert config[configured] == [
            {"name": each["name"], "data_type": kinds[each["datatype"]], "dims": each["shape"]}
            for each in model[tensors]
        ]


def test_the_repository_has_the_served_version(answers: dict[str, Any]) -> None:
    assert answers["index"] == [{"name": "housing", "version": "1", "state": "READY", "reason": ""}]


def test_calls_that_only_triton_answers_are_refused_in_words(answers: dict[str, Any]) -> None:
    assert len(answers["unsupported"]) == 14
    for said in answers["unsupported"]:
        assert said["status"] == "404"
        assert said["message"].startswith("this call is not supported; supported: ")


def test_every_form_gives_what_the_native_api_gives_to_the_last_bit(
    answers: dict[str, Any], server: Asked
) -> None:
    assert len(answers["infers"]) == 8
    for form, answer in answers["infers"].items():
        assert answer["values"] == server.predictions, form
        assert answer["dtype"] == "float64"
        assert answer["response"]["id"] == "a question"
        assert answer["response"]["model_name"] == "housing"
        assert answer["response"]["model_version"] == "1"


def test_the_form_of_the_output_is_the_one_asked_for(answers: dict[str, Any]) -> None:
    for form, answer in answers["infers"].items():
        (output,) = answer["response"]["outputs"]
        assert ("data" in output) is ("wanted=False" in form)
        assert ("parameters" in output) is ("wanted=True" in form)


def test_nothing_need_be_asked_for(answers: dict[str, Any], server: Asked) -> None:
    assert answers["plain"]["values"] == server.predictions
    assert answers["of_version"]["values"] == server.predictions
    assert [each["values"] for each in answers["compressed"]] == [server.predictions] * 6
    assert "id" not in answers["plain"]["response"]


@pytest.mark.parametrize(
    ("fault", "status", "message"),
    [
        ("another model", "404", "the model here is 'housing'"),
        ("another version", "404", "version 1 is"),
        ("another output", "400", "outputs[0].name: is not 'prediction'"),
        ("a strange category", "400", "row 0, ocean_proximity: is not a known category"),
        ("a shape that lies", "400", "inputs[1]: has another number of rows than inputs[0]"),
        ("too few tensors", "400", "'longitude' missing"),
        ("metadata", "404", "the model here is 'housing'"),
        ("config", "404", "the model here is 'housing'"),
    ],
)
def test_the_client_understands_every_error(
    answers: dict[str, Any], fault: str, status: str, message: str
) -> None:
    said = answers["faults"][fault]
    assert said["status"] == status, said
    assert message in said["message"]
    assert "SESAME" not in said["message"]
    assert "exception occurred in the client" not in said["message"]


def test_the_example_of_the_documentation_prints_the_prediction(server: Asked) -> None:
    (example,) = re.findall(r"^```python no-run\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    done = subprocess.run(
        [programs_of("tritonclient") / "python", "-"],
        input=example.replace("127.0.0.1:8000", server.url.removeprefix("http://")),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.strip("[]\n")) == pytest.approx(server.predictions[0])
