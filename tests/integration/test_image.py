"""What the container images promise, checked without a container engine.

The build stage of the Dockerfile is carried out as written, with its folders moved elsewhere.
"""

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.leaving_out import leave_out

ROOT = Path(__file__).parents[2]
BUILD_SECONDS = 900
FORBIDDEN = ("mlflow", "sklearn", "pandas", "sqlalchemy", "pyarrow")
COMPILERS = ("gcc", "g++", "build-essential", "apt-get", "apk ")


@dataclass(frozen=True)
class Stage:
    base: str
    instructions: tuple[tuple[str, str], ...]

    def values(self, keyword: str) -> list[str]:
        return [value for name, value in self.instructions if name == keyword]

    @property
    def environment(self) -> dict[str, str]:
        pairs = (pair for value in self.values("ENV") for pair in shlex.split(value))
        return dict(pair.split("=", 1) for pair in pairs)


@pytest.fixture(scope="module")
def stages() -> Mapping[str, Stage]:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    found: dict[str, Stage] = {}
    name = ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        keyword, _, value = line.strip().partition(" ")
        if keyword == "FROM":
            base, _, name = value.partition(" AS ")
            found[name] = Stage(base, ())
        elif keyword and name:
            before = found[name]
            found[name] = Stage(before.base, (*before.instructions, (keyword, value.strip())))
    return found


@pytest.fixture(scope="module")
def services() -> Mapping[str, Any]:
    document = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return dict(document["services"])


@pytest.fixture(scope="module")
def image(stages: Mapping[str, Stage], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that stands for the file system of the serving image."""
    root = tmp_path_factory.mktemp("image")
    _carry_out(stages["build"], root)
    return root


def test_every_stage_stands_on_the_base_image_that_the_builder_names(
    stages: Mapping[str, Stage],
) -> None:
    assert "ARG BASE_IMAGE=python:3.12-slim" in (ROOT / "Dockerfile").read_text()
    assert {stage.base for stage in stages.values()} == {"${BASE_IMAGE}"}


def test_the_last_stage_serves_as_an_ordinary_user(stages: Mapping[str, Stage]) -> None:
    assert list(stages)[-1] == "serve"
    serve = stages["serve"]
    assert serve.values("USER") not in ([], ["root"], ["0"])
    assert serve.values("EXPOSE") == ["8000"]
    assert serve.values("CMD") == ['["modelport", "serve", "--host", "0.0.0.0", "--port", "8000"]']
    assert "/health/live" in serve.values("HEALTHCHECK")[0]
    assert serve.environment["MODELPORT_VARIANT"] == "api-baseline"
    assert serve.environment["MODELPORT_HOME"] == "/var/lib/modelport"


def test_the_last_stage_installs_nothing(stages: Mapping[str, Stage]) -> None:
    commands = " ".join(stages["serve"].values("RUN"))
    assert "pip" not in commands
    assert not [word for word in COMPILERS if word in commands]


def test_everything_that_is_installed_is_pinned(stages: Mapping[str, Stage]) -> None:
    installs = [
        step
        for stage in stages.values()
        for command in stage.values("RUN")
        for step in command.split("&&")
        if "pip install" in step
    ]
    assert installs
    assert all("--require-hashes" in step or "--no-index" in step for step in installs)


def test_whatever_is_copied_exists_and_reaches_the_builder(stages: Mapping[str, Stage]) -> None:
    admitted = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for stage in stages.values():
        for source in _copied_from_the_repository(stage):
            assert (ROOT / source).exists(), source
            assert any(fnmatch.fnmatch(source, f"{name}*") for name in admitted), source


def test_requirements_of_the_image_hold_no_training_library() -> None:
    pinned = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/api.txt").read_text(), re.M)
    assert "fastapi" in pinned
    assert not {"mlflow", "mlflow-skinny", "scikit-learn", "pandas", "sqlalchemy"} & set(pinned)


@pytest.mark.parametrize(
    "name", ["api", "build", "train", "dev", "dvc", "tritonclient", "openapi-python-client"]
)
def test_requirements_are_pinned_with_hashes_and_name_no_index(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"\n(?=[a-zA-Z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.M))
    assert all(re.match(r"[\w.-]+(\[[\w,-]+\])?==", entry) for entry in entries)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|--(extra-)?index-url|--find-links|@ ", text)


def test_requirement_files_agree_on_every_version() -> None:
    everything = _pins("dev")
    for name in ("api", "build", "train"):
        assert _pins(name) <= everything


def test_compose_starts_postgresql_mlflow_and_the_api(services: Mapping[str, Any]) -> None:
    assert set(services) == {"postgres", "mlflow", "api"}
    command = " ".join(services["mlflow"]["command"])
    assert "--backend-store-uri=postgresql+psycopg://" in command
    assert "@postgres:5432/" in command
    assert "--serve-artifacts" in command
    assert services["mlflow"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_compose_builds_stages_that_exist(
    services: Mapping[str, Any], stages: Mapping[str, Stage]
) -> None:
    assert services["mlflow"]["build"]["target"] in stages
    assert "target" not in services["api"]["build"]


def test_compose_opens_its_ports_to_this_machine_only(services: Mapping[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_keeps_artifacts_and_runs_in_volumes(services: Mapping[str, Any]) -> None:
    declared = yaml.safe_load((ROOT / "compose.yaml").read_text())["volumes"]
    destination = next(
        argument.partition("=")[2]
        for argument in services["mlflow"]["command"]
        if argument.startswith("--artifacts-destination")
    )
    assert f"mlflow:{destination}" in services["mlflow"]["volumes"]
    assert {"postgres", "mlflow"} <= set(declared)


@pytest.mark.slow
@pytest.mark.timeout(BUILD_SECONDS)
@pytest.mark.parametrize("library", FORBIDDEN)
def test_the_image_lacks(image: Path, library: str) -> None:
    result = _inside(image, "python", "-c", f"import {library}")
    assert result.returncode != 0
    assert "ModuleNotFoundError" in result.stderr


@pytest.mark.slow
@pytest.mark.timeout(BUILD_SECONDS)
def test_the_image_holds_a_consistent_set_of_packages(image: Path) -> None:
    result = _inside(image, "python", "-m", "pip", "check")
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
@pytest.mark.timeout(BUILD_SECONDS)
@pytest.mark.parametrize("command", [[], ["serve"]])
def test_the_command_runs_in_the_image(image: Path, command: list[str]) -> None:
    result = _inside(image, "modelport", *command, "--help")
    assert result.returncode == 0, result.stderr
    assert "Usage" in result.stdout


def _carry_out(stage: Stage, root: Path) -> None:
    """Run the COPY and RUN instructions of a stage with /build and /opt moved under `root`."""
    workdir = root
    for keyword, value in stage.instructions:
        if keyword == "WORKDIR":
            workdir = root / value.lstrip("/")
            workdir.mkdir(parents=True)
        elif keyword == "COPY":
            *sources, target = value.split()
            for source in sources:
                _copy(ROOT / source, workdir / target, into=target.endswith("/"))
        elif keyword == "RUN":
            _shell(value.replace("/opt/", f"{root}/opt/"), workdir)


def _copy(source: Path, target: Path, *, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target = target / source.name if into else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _shell(command: str, workdir: Path) -> None:
    interpreter = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["/bin/sh", "-ec", command],
        cwd=workdir,
        env=os.environ | {"PATH": interpreter, "PIP_RETRIES": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_SECONDS,
    )
    if result.returncode != 0 and "Retrying (" in result.stderr:
        leave_out("the image cannot be built: the package index is out of reach")
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


def _inside(image: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = image / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [image / "opt/modelport/bin" / command, *arguments],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "MODELPORT_VARIANT": "api-baseline"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _copied_from_the_repository(stage: Stage) -> list[str]:
    copies = [value.split()[:-1] for value in stage.values("COPY") if "--from=" not in value]
    return [source for sources in copies for source in sources]


def _pins(name: str) -> set[str]:
    """Return name and version of each pin; where it applies may differ, by what else needs it."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return set(re.findall(r"^([a-zA-Z0-9][^\\\n ;]*)", text, re.M))
