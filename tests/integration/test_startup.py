"""Which modules are imported, and when; an import has no effect."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.program import PROGRAM, Place, place

ROOT = Path(__file__).parents[2]
HEAVY = (
    *("mlflow", "sklearn", "pandas", "sqlalchemy", "pyarrow", "ray", "skops", "scipy", "onnx"),
    "prometheus_client",
)
# What trains, compares, promotes and scores files; a server needs none of it.
OTHER_USE_CASES = (
    *("application.training.train_model", "application.training.calibrate_intervals"),
    *("application.training.cross_validate", "application.evaluation.evaluate_model"),
    *("application.experiments", "domain.experiments"),
    *("application.promotion", "application.scoring.predict_batch"),
    *("entrypoints.reports.model_card", "pydantic.v1.main"),
)

EXAMPLE = {
    "longitude": -122.23, "latitude": 37.88, "housing_median_age": 41, "total_rooms": 880,
    "total_bedrooms": None, "population": 322, "households": 126, "median_income": 8.3252,
    "ocean_proximity": "NEAR BAY",
}  # fmt: skip

ANSWERING = """
import json, sys, time
from urllib.request import Request, urlopen
from threading import Thread

import uvicorn

from entrypoints.http.app import from_environment

server = uvicorn.Server(uvicorn.Config(from_environment(), port=0, log_level="error"))
thread = Thread(target=server.run)
thread.start()
try:
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    body = open("row.json", "rb").read()
    headers = {"Content-Type": "application/json"}
    request = Request(f"http://127.0.0.1:{port}/predict", body, headers)
    while True:
        try:
            with urlopen(request, timeout=30) as answer:
                document = json.load(answer)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
finally:
    server.should_exit = True
    thread.join()
with open("result.json", "w") as file:
    json.dump({"answer": document, "modules": sorted(sys.modules)}, file)
"""


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return place(tmp_path)


def modules(where: Place, code: str) -> set[str]:
    """Run code in a child process; return the modules that it imported."""
    code += "\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=where.folder,
        env=where.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return {*done.stdout.split()}


def modules_of_server(where: Place) -> set[str]:
    """Run a server until it has answered one prediction; return the modules that it imported."""
    (where / "row.json").write_text(json.dumps({"data": [EXAMPLE]}))
    done = subprocess.run(
        [sys.executable, "-c", ANSWERING],
        cwd=where.folder,
        env=where.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((where / "result.json").read_text())
    assert result["answer"]["model"] == "housing/1"
    return {*result["modules"]}


def _command(arguments: list[str]) -> str:
    return f"from entrypoints.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass"


# The error-scale model is gradient boosting for every estimator.
@pytest.mark.parametrize(
    ("variant", "estimator", "runtimes"),
    [
        ("api-baseline", "ridge", {"onnxruntime", "llvmlite"}),
        ("api-baseline", "hist_gradient_boosting", {"llvmlite"}),
        pytest.param("main", "ridge", {"onnxruntime", "llvmlite"}, marks=pytest.mark.slow),
    ],
)
def test_a_server_that_answers_has_loaded_no_training_library(
    here: Place, variant: str, estimator: str, runtimes: set[str]
) -> None:
    here = here.having(MODELPORT_VARIANT=variant)
    here.good("train", "--data", "sample:200", "--estimator", estimator)
    row = here.good("models", "show", "housing", "--json").document["features"]
    assert len(row) == 9
    loaded = modules_of_server(here)
    assert {*HEAVY, *OTHER_USE_CASES} & loaded == set()
    assert {"onnxruntime", "llvmlite"} & loaded == runtimes
    for arguments in (["models", "list"], ["predict-one", json.dumps(EXAMPLE)]):
        assert {*HEAVY} & modules(here, _command(arguments)) == set()


@pytest.mark.slow
def test_a_server_that_reads_its_registry_over_rest_has_not_imported_mlflow(
    here: Place, mlflow_server: str
) -> None:
    here = here.having(MODELPORT_VARIANT="main", MLFLOW_TRACKING_URI=mlflow_server)
    here.good("train", "--data", "sample:200", "--estimator", "ridge")
    assert {*HEAVY} & modules_of_server(here) == set()


def test_importing_the_application_loads_no_heavy_library_and_does_nothing(here: Place) -> None:
    (here / ".env").write_text("MODELPORT_VARIANT=nonsense\n")
    loaded = modules(here, "import entrypoints.http.app, entrypoints.http.server")
    unused = {*HEAVY, "onnxruntime", "llvmlite", "jinja2", "markdown_it", "matplotlib"}
    assert unused & loaded == set()
    assert [path.name for path in here.folder.iterdir()] == [".env"]


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        ("--version", {"typer", "rich", "numpy", "pydantic"}),
        ("--help", {"numpy", "pydantic", "dependency_injector", "dotenv"}),
        ("trian", {"numpy", "dependency_injector", "dotenv"}),
    ],
)
def test_the_program_imports_no_command_that_is_not_called(
    here: Place, arguments: str, unused: set[str]
) -> None:
    loaded = modules(here, _command(arguments.split()))
    assert unused & loaded == set()
    assert {name for name in loaded if name.startswith("entrypoints.cli.commands.")} == set()
    layers = {name.partition(".")[0] for name in loaded}
    assert {"application", "adapters"} & layers == set()


@pytest.mark.parametrize("arguments", ["serve --help", "train --help", "models list"])
def test_a_command_loads_only_what_it_needs(here: Place, arguments: str) -> None:
    loaded = modules(here, _command(arguments.split()))
    unused = {
        *HEAVY,
        "rich.progress",
        "onnxruntime",
        "llvmlite",
        "uvicorn",
        "httpx",
        "fastapi",
        "werkzeug",
        "yaml",
    }
    assert unused & loaded == set()
    assert [*here.folder.iterdir()] == []


def test_a_batch_of_files_loads_only_arrow(here: Place) -> None:
    here.good("train", "--data", "sample:200", "--estimator", "tree")
    here.good("data", "sample", "--rows", "50", "--out", "rows.csv")
    words = ["predict", "rows.csv", "out.parquet", "--keep", "ocean_proximity", "--json"]
    loaded = modules(here, _command(words))
    assert (here / "out.parquet").exists()
    assert {*HEAVY, "fastapi", "werkzeug", "yaml"} & loaded == {"pyarrow"}


@pytest.mark.parametrize("name", ["domain", "application", "adapters", "entrypoints"])
def test_the_import_names_are_those_of_this_repository(name: str, tmp_path: Path) -> None:
    code = f"import {name}; print({name}.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) == ROOT / "src" / name / "__init__.py"


def test_the_program_is_installed(here: Place) -> None:
    assert PROGRAM.exists()
    ran = here.run("--version")
    assert ran.code == 0
    module = subprocess.run(
        [sys.executable, "-m", "entrypoints.cli", "--version"], capture_output=True, text=True
    )
    assert module.stdout == ran.out
