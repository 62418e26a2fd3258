"""The servers to compare: how each is started, asked and understood."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from domain.data.feature import Vector
from domain.features.encoding import FeatureEncoding
from tests.benchmarks import environments, tensors
from tests.benchmarks.environments import OURS
from tests.benchmarks.models import REF, Models, fit_peer, run
from tests.benchmarks.peers import bare_asgi
from tests.benchmarks.places import KEPT, ROOT
from tests.benchmarks.shapes import JSON_SHAPES, TENSOR_SHAPES, Shape
from tests.integration.processes import free_port

Rows: TypeAlias = Sequence[int]

_JSON = {"Content-Type": "application/json"}
_PEERS = "tests.benchmarks.peers"

# What the ratios of the tables are ratios to.
BARE = "bare"
ORDINARY = "modelport-ordinary"
TENSORS = "modelport-tensors"
MLFLOW = "mlflow-sklearn"
REGISTERED = "mlflow-registered"


@dataclass(frozen=True)
class Server:
    """A server under measurement.

    `command` is given the port and a folder to write to; `encode` makes the body that asks for
    rows of the reference data, `decode` reads the predictions from the answer, and `answers` are
    the right ones for every row; None where the server does not predict. `encode_marked` makes the
    same body with marked longitudes, see `Models.marked`.
    """

    name: str
    title: str
    command: Callable[[int, Path], list[str]]
    path: str
    encode: Callable[[Rows], bytes]
    decode: Callable[[bytes], list[float]]
    answers: Vector | None
    settings: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)
    shapes: Sequence[Shape] = JSON_SHAPES
    encode_marked: Callable[[Rows], bytes] | None = None


def _native(models: Models, variant: str) -> Server:
    model = models.champion if variant == "main" else models.default
    return Server(
        name=f"modelport-{variant}",
        title=f"modelport serve ({variant}, {model.estimator})",
        command=lambda port, _: [OURS.program("modelport"), "serve", "--port", str(port)],
        path="/predict",
        encode=lambda rows: _json({"data": models.records(rows)}),
        decode=_predictions,
        answers=model.answers,
        settings=model.home.settings,
    )


def _without_accelerators(server: Server) -> Server:
    return replace(
        server,
        name=ORDINARY,
        title="modelport serve (main, accelerators off)",
        settings={**server.settings, "MODELPORT_ACCELERATORS": "none"},
    )


def _tensors(models: Models) -> Server:
    model = models.champion
    return Server(
        name=TENSORS,
        title="modelport serve (main, V2 binary tensors)",
        command=lambda port, _: [OURS.program("modelport"), "serve", "--port", str(port)],
        path=f"/v2/models/{model.loaded.version.name}/infer",
        encode=lambda rows: tensors.encode(model.loaded.manifest.schema, models.records(rows)),
        decode=tensors.decode,
        answers=model.answers,
        settings=model.home.settings,
        headers=tensors.HEADERS,
        shapes=TENSOR_SHAPES,
    )


def with_workers(models: Models, workers: int) -> Server:
    """Return the champion's server with so many worker processes."""
    one = prepare("modelport-main", models)
    return replace(
        one, command=lambda port, folder: [*one.command(port, folder), "--workers", str(workers)]
    )


def _bare(models: Models) -> Server:
    plain = environments.prepare("plain")
    return Server(
        name=BARE,
        title="bare ASGI function (no model)",
        command=lambda port, _: _uvicorn(plain.program("uvicorn"), "bare_asgi", port),
        path="/predict",
        encode=lambda rows: _json({"data": models.records(rows)}),
        decode=_only(bare_asgi.ANSWER),
        answers=None,
    )


def _plain(models: Models) -> Server:
    plain = environments.prepare("plain")
    folder = fit_peer(plain, models.data)
    return Server(
        name="plain",
        title="FastAPI + pandas + joblib pipeline",
        command=lambda port, _: _uvicorn(plain.program("uvicorn"), "plain_fastapi", port),
        path="/predict",
        encode=lambda rows: _json({"data": models.records(rows)}),
        decode=_predictions,
        answers=models.default.answers,
        settings={"PIPELINE": str(folder / "pipeline.joblib")},
    )


def _mlflow_sklearn(models: Models) -> Server:
    model, settings = sklearn_model(models)
    return _mlflow(models, MLFLOW, "scikit-learn flavour", model, models.default.answers, settings)


def _mlflow_registered(models: Models) -> Server:
    champion = models.champion
    title = "our registered version"
    settings = champion.home.settings
    answers = champion.answers
    return _mlflow(models, REGISTERED, title, f"models:/{REF}", answers, settings)


def _mlflow(
    models: Models, name: str, what: str, model: str, answers: Vector, settings: Mapping[str, str]
) -> Server:
    mlflow = environments.prepare("mlflow")
    serve = [mlflow.program("mlflow"), "models", "serve", "--env-manager", "local", "-m", model]
    serve += ["--host", "127.0.0.1", "--workers", "1"]

    def encode(rows: Rows) -> bytes:
        records = models.records(rows)
        data = [[*record.values()] for record in records]
        return _json({"dataframe_split": {"columns": [*records[0]], "data": data}})

    return Server(
        name=name,
        title=f"mlflow models serve ({what})",
        command=lambda port, _: [*serve, "--port", str(port)],
        path="/invocations",
        encode=encode,
        decode=_predictions,
        answers=answers,
        settings={**settings, "PATH": f"{mlflow.bin}:/usr/bin:/bin"},
    )


def sklearn_model(models: Models) -> tuple[str, dict[str, str]]:
    """Keep the peers' pipeline as MLflow's own flavour; return its place and what it needs."""
    plain, mlflow = environments.prepare("plain"), environments.prepare("mlflow")
    pipeline = fit_peer(plain, models.data) / "pipeline.joblib"
    folder = KEPT / "mlflow-sklearn"
    shutil.rmtree(folder, ignore_errors=True)
    settings = {"PYTHONPATH": str(ROOT), "PATH": f"{mlflow.bin}:/usr/bin:/bin"}
    run([mlflow.python, "-m", f"{_PEERS}.save_for_mlflow", str(pipeline), str(folder)], settings)
    return str(folder), settings


def _mlserver(models: Models) -> Server:
    mlserver = environments.prepare("mlserver")
    estimator = fit_peer(environments.prepare("plain"), models.data) / "estimator.joblib"
    columns = _ready_made_columns(models)

    def command(port: int, folder: Path) -> list[str]:
        (folder / "settings.json").write_text(json.dumps(_mlserver_settings(port)))
        (folder / "model-settings.json").write_text(
            json.dumps(
                {
                    "name": "housing",
                    "implementation": "mlserver_sklearn.SKLearnModel",
                    "parameters": {"uri": str(estimator), "version": "1"},
                }
            )
        )
        return [mlserver.program("mlserver"), "start", str(folder)]

    def encode(rows: Rows) -> bytes:
        data = columns[list(rows)]
        tensor = {"name": "x", "datatype": "FP64", "shape": [*data.shape]}
        return _json({"id": "1", "inputs": [{**tensor, "data": data.ravel().tolist()}]})

    return Server(
        name="mlserver",
        title="MLServer (estimator alone, ready-made columns)",
        command=command,
        path="/v2/models/housing/infer",
        encode=encode,
        decode=lambda answer: [*json.loads(answer)["outputs"][0]["data"]],
        answers=models.default.answers,
    )


def _mlserver_settings(port: int) -> dict[str, Any]:
    """Serve fast: no debugging, and one process, since on one core a second one only costs."""
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    return {"host": "127.0.0.1", **ports, "parallel_workers": 0, "debug": False}


def _ready_made_columns(models: Models) -> Vector:
    """Return what the estimator sees of each reference row, shape (rows, columns)."""
    loaded, home = models.default.loaded, models.default.home
    bundle = home.container().store().load(loaded.version)
    encoding = FeatureEncoding.from_files(loaded.manifest.schema, bundle.files)
    return np.ascontiguousarray(encoding.transform(models.matrix))


def prepare(name: str, models: Models) -> Server:
    """Return a server by its name."""
    make = SERVERS[name]
    return replace(make(models), encode_marked=make(models.marked()).encode)


SERVERS: Mapping[str, Callable[[Models], Server]] = {
    BARE: _bare,
    "modelport-main": lambda models: _native(models, "main"),
    ORDINARY: lambda models: _without_accelerators(_native(models, "main")),
    "modelport-api-baseline": lambda models: _native(models, "api-baseline"),
    TENSORS: _tensors,
    "plain": _plain,
    MLFLOW: _mlflow_sklearn,
    REGISTERED: _mlflow_registered,
    "mlserver": _mlserver,
}


def _uvicorn(uvicorn: str, module: str, port: int) -> list[str]:
    quiet = ["--no-access-log", "--log-level", "warning"]
    loop = ["--loop", "uvloop", "--http", "httptools"]
    return [uvicorn, f"{_PEERS}.{module}:app", "--port", str(port), *loop, *quiet]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _predictions(answer: bytes) -> list[float]:
    return [float(value) for value in json.loads(answer)["predictions"]]


def _only(right: bytes) -> Callable[[bytes], list[float]]:
    def decode(answer: bytes) -> list[float]:
        if answer != right:
            raise ValueError(f"{answer!r} is not {right!r}")
        return []

    return decode
