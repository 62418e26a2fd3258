"""A bundle as an ordinary MLflow model, which can be used without modelport.

    MLmodel, requirements.txt, …         MLflow's description of the model
    data/bundle/…                        the files of the bundle, byte for byte
    code/modelport_<digest>/…            the modules of modelport that load the bundle and predict

The modules are copies of modelport's own, so that there is one implementation of encoding and
scoring. Only their imports are changed: `from domain.errors` becomes
`from modelport_<digest>.domain.errors`. So they do not collide with packages of the same names, nor
with the modules of models that another version of modelport has saved.
"""

import json
import re
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.files.atomic_writes import plain_name
from domain.data.feature import Feature, Kind
from domain.data.schema import Schema
from domain.model.bundle import Bundle
from domain.model.manifest import Manifest

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from pandas import DataFrame

_SOURCES = Path(__file__).parents[2]
_SHIPPED = (
    "domain/**/*.py",
    "application/__init__.py",
    "application/model/*.py",
    "application/ports/*.py",
    "application/uncertainty/*.py",
    "adapters/__init__.py",
    "adapters/formats/__init__.py",
    "adapters/formats/decoding.py",
    "adapters/formats/manifest_file.py",
    "adapters/formats/schema_toml.py",
    "adapters/llvm/*.py",
    "adapters/onnx/*.py",
    "adapters/mlflow/__init__.py",
    "adapters/mlflow/pandas_model.py",
)
_LOADER = "adapters/mlflow/shipped/loader.py"
_IMPORT = re.compile(r"^( *from )(?=(?:domain|application|adapters)\b)", re.MULTILINE)
_REQUIREMENTS = ("llvmlite", "mlflow", "numpy", "onnxruntime", "pandas", "pydantic")


def write_model(
    folder: Path, bundle: Bundle, manifest: Manifest, model_id: str, run_id: str | None
) -> Path:
    """Write a bundle as an MLflow model inside a folder, and return where."""
    from mlflow.models import Model
    from mlflow.pyfunc import save_model

    package = _write_code(folder)
    target = folder / "model"
    save_model(
        target,
        loader_module=f"{package.name}.loader",
        data_path=str(_write_bundle(folder, bundle)),
        code_paths=[str(package)],
        mlflow_model=Model(model_id=model_id, run_id=run_id),
        model_config={"bundle": bundle.id},
        signature=_signature(manifest.schema),
        input_example=_example(manifest.schema),
        pip_requirements=[_pinned(name) for name in _REQUIREMENTS],
    )
    return target


def describe(manifest: Manifest) -> str:
    """Return a description of the model's features, as Markdown."""
    schema = manifest.schema
    rows = [f"| {f.name} | {f.allowed} | {f.description} |" for f in schema.features]
    unit = f" ({schema.target.unit})" if schema.target.unit else ""
    title = f"{schema.description or schema.name}: predicts {schema.target.name}{unit} from"
    return "\n".join([title, "", "| feature | allowed | |", "|---|---|---|", *rows])


def _signature(schema: Schema) -> "ModelSignature":
    """Return the columns by name, with the type that a data frame of valid rows has for each.

    MLflow reads JSON and CSV by these types. It refuses integers in a data frame for a column of
    type double, and floating-point numbers for one of type long. A column of integers that may be
    missing is double, as in pandas.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import Schema as Columns

    features = [
        {"name": f.name, "type": _column_type(f), "required": not f.nullable}
        for f in schema.features
    ]
    prediction = [{"type": "double"}]
    return ModelSignature(
        Columns.from_json(json.dumps(features)), Columns.from_json(json.dumps(prediction))
    )


def _column_type(feature: Feature) -> str:
    if feature.kind is Kind.INTEGER:
        return "double" if feature.nullable else "long"
    return {Kind.NUMBER: "double", Kind.CATEGORY: "string", Kind.BOOLEAN: "boolean"}[feature.kind]


def _example(schema: Schema) -> "DataFrame":
    """Return a data frame of one row; its column index has the type that MLflow compares."""
    from pandas import DataFrame, Index

    doubles = {f.name for f in schema.features if _column_type(f) == "double"}
    row = [float(v) if k in doubles and v is not None else v for k, v in schema.example.items()]
    return DataFrame([row], columns=Index([*schema.example], dtype=object))


def _pinned(library: str) -> str:
    try:
        return f"{library}=={version(library)}"
    except PackageNotFoundError:
        return library


def _write_bundle(folder: Path, bundle: Bundle) -> Path:
    target = folder / "bundle"
    target.mkdir()
    for name, content in bundle.files.items():
        (target / plain_name(name)).write_bytes(content)
    return target


def _write_code(folder: Path) -> Path:
    sources = _sources()
    digest = sha256("".join(f"{path}\n{text}" for path, text in sources.items()).encode())
    package = folder / f"modelport_{digest.hexdigest()[:12]}"
    for path, text in sources.items():
        file = package / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_IMPORT.sub(rf"\g<1>{package.name}.", text), encoding="utf-8")
    return package


@cache
def _sources() -> dict[str, str]:
    """Return the text of each module to ship, by its path below the package."""
    found = sorted(file for pattern in _SHIPPED for file in _SOURCES.glob(pattern))
    modules = {str(file.relative_to(_SOURCES)): file for file in found}
    modules |= {"__init__.py": _SOURCES / "adapters/mlflow/__init__.py"}
    modules |= {"loader.py": _SOURCES / _LOADER}
    return {path: file.read_text(encoding="utf-8") for path, file in modules.items()}
