"""The models to measure, trained anew in homes of their own, and what each must answer.

There are two: modelport's default, which the peers fit for themselves with the same
hyper-parameters on the same rows, and the champion, which is what `modelport train` trains.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from adapters.sklearn.estimators import build
from application.model.load_model import LoadedModel
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.training.specification import Estimator, TrainingSpec
from entrypoints.wiring.container import Container, build_container
from entrypoints.wiring.settings import Settings, Variant
from tests.benchmarks.environments import OURS, Environment
from tests.benchmarks.places import KEPT, ROOT, Unusable
from tests.benchmarks.processes import environment
from tests.benchmarks.wrk import MARK
from tests.support.decoding import decoded_record

# Relative. Sums of trees differ by rounding where another library adds them up.
TOLERANCE = 1e-6

REF = "housing@champion"


@dataclass(frozen=True, slots=True)
class Home:
    """A folder in which a variant of modelport keeps its models."""

    variant: Variant
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables by which a process finds it."""
        return {
            "MODELPORT_VARIANT": self.variant.value,
            "MODELPORT_HOME": str(self.folder),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
        }

    def container(self) -> Container:
        """Return a container for it, whatever this process's environment says."""
        return build_container(Settings(variant=self.variant, home=self.folder))


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model and what it answers to each row of the reference data, shape (rows,)."""

    home: Home
    loaded: LoadedModel
    answers: Vector

    @property
    def estimator(self) -> str:
        """What was fitted, in a word."""
        return self.loaded.manifest.training.estimator.value


@dataclass(frozen=True, slots=True)
class Models:
    """The reference data at `data`, its rows, and the two models."""

    data: Path
    matrix: Matrix
    default: Model
    champion: Model

    def marked(self) -> Self:
        """Return the same with longitudes that end in `MARK`: a load changes them in each request.

        Raises:
            Unusable: a longitude cannot carry the mark.
        """
        schema = self.default.loaded.manifest.schema
        where = schema.coordinates
        column = schema.names.index(where.longitude if where else schema.names[0])
        texts = [f"{value:.2f}{MARK}" for value in self.matrix[:, column].tolist()]
        matrix = self.matrix.copy()
        matrix[:, column] = [float(text) for text in texts]
        if any(MARK not in repr(value) for value in matrix[:, column].tolist()):
            raise Unusable("a longitude of the reference data cannot carry the mark")
        return replace(self, matrix=matrix)

    def records(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Return some rows of the reference data by name; None where missing."""
        schema = self.default.loaded.manifest.schema
        return [decoded_record(schema, self.matrix[row].tolist()) for row in rows]


def train(data: Path) -> Models:
    """Train both models from the reference data.

    Raises:
        Unusable: training failed.
    """
    default = Home(Variant.API_BASELINE, KEPT / "home-api-baseline")
    champion = Home(Variant.MAIN, KEPT / "home-main")
    # The peers' pipeline knows no neighbours.
    plain = ("--estimator", Estimator.HIST_GRADIENT_BOOSTING.value, "--features", "plain")
    _train(default, data, *plain, "--no-intervals")
    _train(champion, data)
    matrix = _read(champion.container(), data)
    return Models(data, matrix, _load(default, matrix), _load(champion, matrix))


@cache
def fit_peer(plain: Environment, data: Path) -> Path:
    """Let the plain environment fit its own pipeline; return the folder it is kept in."""
    spec = TrainingSpec()
    _, parameters = build(spec)
    folder = KEPT / "plain"
    command = [plain.python, "-m", "tests.benchmarks.peers.fit", str(data), str(folder)]
    run([*command, json.dumps({**parameters, "random_state": spec.seed})])
    return folder


def require_same(expected: Vector, actual: NDArray[Any] | Sequence[float], who: str) -> None:
    """Check answers against those that are right.

    Raises:
        Unusable: there are more or fewer, or one differs by more than rounding.
    """
    answers = np.asarray(actual, dtype=np.float64)
    if answers.shape != expected.shape:
        raise Unusable(f"{who} gave {answers.shape} answers where {expected.shape} are due")
    deviation = np.abs(answers - expected) / np.maximum(np.abs(expected), 1.0)
    worst = int(np.argmax(deviation))
    if not deviation[worst] <= TOLERANCE:
        raise Unusable(
            f"{who} answers {answers[worst]} to row {worst} where {expected[worst]} is right: "
            f"it does not do the same work, so its speed says nothing"
        )


def run(command: Sequence[str], settings: Mapping[str, str] | None = None) -> None:
    """Run a command that prepares something.

    Raises:
        Unusable: it failed.
    """
    done = subprocess.run(
        command, cwd=ROOT, env=environment(settings or {}), capture_output=True, text=True
    )
    if done.returncode:
        raise Unusable(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"[-3000:])


def _train(home: Home, data: Path, *options: str) -> None:
    print(f"training for {home.variant.value}", file=sys.stderr, flush=True)
    shutil.rmtree(home.folder, ignore_errors=True)
    home.folder.mkdir(parents=True)
    command = [OURS.program("modelport"), "train", "--json", "--data", str(data), *options]
    run(command, home.settings)


def _load(home: Home, matrix: Matrix) -> Model:
    container = home.container()
    loaded: LoadedModel = container.load_model()(container.model_ref())
    return Model(home, loaded, loaded.predictor.predict(matrix))


def _read(container: Container, data: Path) -> Matrix:
    source, schema = container.source(str(data)), container.schema()
    tables = (source.read(chunk, schema.kinds) for chunk in source.plan(100_000))
    matrix: Matrix = np.concatenate([schema.encode_table(table).matrix for table in tables])
    return matrix
