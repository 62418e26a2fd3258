"""A registered version is a model like any other to a program that has MLflow but not modelport."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.mlflow_model_store import MlflowStore
from adapters.onnx.onnx_runtime import OnnxRuntime
from application.model.load_model import LoadModel
from domain.data.table import Table, plain
from domain.model.reference import ModelRef
from domain.training.specification import Estimator
from tests.integration.mlflow.reading import train
from tests.support.samples import NAME, SCHEMA, sample_table

PROGRAM = Path(__file__).with_name("predict_without_modelport.py")
SOURCES = Path(__file__).parents[3] / "src"

pytestmark = pytest.mark.slow


def frame_of(table: Table) -> pd.DataFrame:
    return pd.DataFrame({name: plain(column) for name, column in table.columns.items()})


def ask(
    uri: str, folder: Path, frames: list[pd.DataFrame], environment: Mapping[str, str] | None = None
) -> list[Any]:
    """Return what the champion answers in a process of its own, in an empty working directory."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    files = [folder / f"{number}.csv" for number in range(len(frames))]
    for frame, file in zip(frames, files, strict=True):
        frame.to_csv(file, index=False)
    variables = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    answers = folder / "answers.json"
    ran = subprocess.run(
        [sys.executable, "-I", PROGRAM, f"models:/{NAME}@champion", answers, *files],
        cwd=elsewhere,
        env={**os.environ, **variables, **(environment or {})},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert list(elsewhere.iterdir()) == []
    return list(json.loads(answers.read_text()))


def ours(uri: str, home: Path, table: Table) -> list[float]:
    model = LoadModel(MlflowStore(uri, home), OnnxRuntime(), read_manifest)(ModelRef(NAME))
    encoded = SCHEMA.encode_table(table)
    assert encoded.violations == ()
    return [float(answer) for answer in model.predictor.predict(encoded.matrix)]


@pytest.fixture(params=["mlflow_database", "mlflow_server"], ids=["sqlite", "server"])
def uri(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_a_program_without_modelport_gets_the_same_numbers_to_the_last_bit(
    uri: str, tmp_path: Path
) -> None:
    train(uri, tmp_path / "home")
    table = sample_table(rows=300, seed=5)
    frame = frame_of(table)
    assert frame["age"].isna().any()
    whole = frame.assign(age=7.0, height=np.arange(300) % 11 + 1.0)
    without = frame.drop(columns=["age", "yield"])
    answers = ask(uri, tmp_path, [frame, whole, without, frame.iloc[:0]])
    assert answers[0] == ours(uri, tmp_path / "home", table)
    columns = {name: table.column(name) for name in ("sort", "watered")}
    counted = {"age": np.full(300, 7), "height": np.arange(300) % 11 + 1}
    assert answers[1] == ours(uri, tmp_path / "home", Table.of({**columns, **counted}))
    columns |= {"height": table.column("height"), "age": np.full(300, np.nan)}
    assert answers[2] == ours(uri, tmp_path / "home", Table.of(columns))
    assert answers[3] == []


@pytest.mark.parametrize("hidden", ["", "llvmlite"])
def test_trees_have_the_same_bits_in_compiled_code_and_in_onnx_runtime(
    mlflow_database: str, tmp_path: Path, hidden: str
) -> None:
    train(mlflow_database, tmp_path / "home", estimator=Estimator.HIST_GRADIENT_BOOSTING)
    table = sample_table(rows=300, seed=5)
    (answers,) = ask(mlflow_database, tmp_path, [frame_of(table)], {"NOT_INSTALLED": hidden})
    assert answers == ours(mlflow_database, tmp_path / "home", table)


def test_every_module_that_a_shipped_one_imports_is_shipped(
    mlflow_database: str, tmp_path: Path
) -> None:
    train(mlflow_database, tmp_path / "home")
    (package,) = tmp_path.glob("home/mlartifacts/**/code/modelport_*")
    imported = {
        found.replace(".", "/")
        for module in package.rglob("*.py")
        for found in re.findall(
            rf"^ *from {package.name}\.([\w.]+) import", module.read_text(), re.MULTILINE
        )
    }
    assert "adapters/llvm/neighbour_runtime" in imported
    modules = {str(file.relative_to(package).with_suffix("")) for file in package.rglob("*.py")}
    assert imported <= modules | {module.removesuffix("/__init__") for module in modules}


def test_rows_that_break_the_schema_are_refused_by_row_and_field(
    mlflow_database: str, tmp_path: Path
) -> None:
    train(mlflow_database, tmp_path / "home")
    frame = frame_of(sample_table(rows=20))
    unknown = frame.assign(sort=["quince" if row == 7 else "pear" for row in range(20)])
    too_high = frame.assign(height=[99.0 if row == 4 else 3.0 for row in range(20)])
    lacking = frame.assign(height=[np.nan if row == 2 else 3.0 for row in range(20)])
    halves = frame.assign(age=[2.5 if row == 1 else 3.0 for row in range(20)])
    narrow = frame.drop(columns="sort")
    answers = ask(mlflow_database, tmp_path, [unknown, too_high, lacking, halves, narrow])
    assert "row 7, sort: is not a known category" in answers[0]
    assert "'apple', 'pear', 'plüm'" in answers[0]
    assert "quince" not in answers[0]
    assert "row 4, height: is out of range; allowed: a number from 0.5 to 12 (m)" in answers[1]
    assert "row 2, height: is missing" in answers[2]
    assert "row 1, age: is not a whole number" in answers[3]
    assert "missing inputs ['sort']" in answers[4]
    assert {answer.partition(":")[0] for answer in answers} == {"MlflowException"}


@pytest.mark.parametrize("others", ["modelport itself", "strangers of the same names"])
def test_packages_of_the_same_names_are_neither_used_nor_disturbed(
    mlflow_database: str, tmp_path: Path, others: str
) -> None:
    train(mlflow_database, tmp_path / "home")
    packages = SOURCES
    if others != "modelport itself":
        packages = tmp_path / "strangers"
        for name in ("domain", "application", "adapters", "entrypoints"):
            (packages / name).mkdir(parents=True)
            (packages / name / "__init__.py").write_text("STRANGER = True\n")
    table = sample_table(rows=10, seed=2)
    environment = {"FIRST_PACKAGES": str(packages)}
    (answers,) = ask(mlflow_database, tmp_path, [frame_of(table)], environment)
    assert answers == ours(mlflow_database, tmp_path / "home", table)


def test_a_bundle_that_was_changed_is_not_loaded(mlflow_database: str, tmp_path: Path) -> None:
    from mlflow.pyfunc import load_model

    train(mlflow_database, tmp_path / "home")
    (golden,) = tmp_path.glob("home/mlartifacts/**/data/bundle/golden.json")
    model = golden.parents[2]
    row = pd.DataFrame([SCHEMA.example]).astype({"age": "float64"})
    assert len(load_model(str(model)).predict(row)) == 1
    golden.write_bytes(golden.read_bytes() + b" ")
    with pytest.raises(Exception, match=r"golden\.json was changed"):
        load_model(str(model))


def test_what_is_installed_for_the_model_is_little_and_pinned(
    mlflow_database: str, tmp_path: Path
) -> None:
    train(mlflow_database, tmp_path / "home")
    (requirements,) = tmp_path.glob("home/mlartifacts/**/requirements.txt")
    pins = [line.split("==") for line in requirements.read_text().splitlines()]
    assert sorted(name for name, _ in pins) == [
        *("llvmlite", "mlflow", "numpy", "onnxruntime", "pandas", "pydantic")
    ]
    model = requirements.parent
    assert {file.suffix for file in model.rglob("*") if file.is_file()} <= {
        "", ".txt", ".yaml", ".json", ".onnx", ".skops", ".py", ".pyc",
    }  # fmt: skip
