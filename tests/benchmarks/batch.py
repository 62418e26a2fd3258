"""Measures the scoring of a file side by side: CSV in, Parquet out (MLflow writes JSON).

Every run is a process of its own, timed from its start to its end, with a new place to write to.
What it wrote is compared row by row with what the model must answer.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from domain.data.feature import Vector
from tests.benchmarks import environments
from tests.benchmarks.environments import OURS
from tests.benchmarks.models import REF, Models, fit_peer, require_same
from tests.benchmarks.places import KEPT, Unusable
from tests.benchmarks.processes import Usage, last_words, measure
from tests.benchmarks.servers import sklearn_model

# What the ratios of the tables are ratios to.
MLFLOW, SCRIPT = "mlflow-sklearn", "script"


@dataclass(frozen=True)
class Scorer:
    """A way to score a file.

    `command` is given the input and the output; `read` returns the predictions in the order of
    the rows; `answers` are the right ones for the reference data, which the input repeats.
    """

    name: str
    title: str
    suffix: str
    command: Callable[[Path, Path], list[str]]
    read: Callable[[Path], NDArray[np.float64]]
    answers: Vector
    settings: Mapping[str, str]


def _modelport(models: Models) -> Scorer:
    return _ours("modelport", f"modelport predict ({models.champion.estimator})", models)


def _modelport_on_ray(models: Models) -> Scorer:
    """The same job on a cluster that is started for it, and ended with it."""
    title = "modelport predict --engine ray (a cluster of its own)"
    return _ours("modelport-ray", title, models, "--engine", "ray")


def _ours(name: str, title: str, models: Models, *options: str) -> Scorer:
    champion = models.champion
    predict = [OURS.program("modelport"), "predict", "--json", "--keep", "row", *options]
    return Scorer(
        name,
        title,
        ".parquet",
        lambda source, target: [*predict, str(source), str(target)],
        _read_parquet,
        champion.answers,
        champion.home.settings,
    )


def _mlflow_sklearn(models: Models) -> Scorer:
    model, settings = sklearn_model(models)
    title = "mlflow models predict (scikit-learn flavour)"
    return _mlflow(MLFLOW, title, model, models.default.answers, settings)


def _mlflow_registered(models: Models) -> Scorer:
    champion = models.champion
    title = "mlflow models predict (our registered version)"
    settings = champion.home.settings
    return _mlflow("mlflow-registered", title, f"models:/{REF}", champion.answers, settings)


def _mlflow(
    name: str, title: str, model: str, answers: Vector, settings: Mapping[str, str]
) -> Scorer:
    mlflow = environments.prepare("mlflow")
    predict = [mlflow.program("mlflow"), "models", "predict", "--env-manager", "local"]
    predict += ["--content-type", "csv", "--model-uri", model]
    return Scorer(
        name,
        title,
        ".json",
        lambda source, target: [
            *predict,
            "--input-path",
            str(source),
            "--output-path",
            str(target),
        ],
        lambda target: np.array(json.loads(target.read_bytes())["predictions"]),
        answers,
        {**settings, "PATH": f"{mlflow.bin}:/usr/bin:/bin"},
    )


def _script(models: Models) -> Scorer:
    plain = environments.prepare("plain")
    pipeline = fit_peer(plain, models.data) / "pipeline.joblib"
    script = [plain.python, "-m", "tests.benchmarks.peers.pandas_script", str(pipeline)]
    return Scorer(
        SCRIPT,
        "pandas + scikit-learn script",
        ".parquet",
        lambda source, target: [*script, str(source), str(target)],
        _read_parquet,
        models.default.answers,
        {},
    )


SCORERS: Mapping[str, Callable[[Models], Scorer]] = {
    "modelport": _modelport,
    "modelport-ray": _modelport_on_ray,
    SCRIPT: _script,
    MLFLOW: _mlflow_sklearn,
    "mlflow-registered": _mlflow_registered,
}


def measure_scorers(
    scorers: Sequence[Scorer], data: Path, rows: int, rounds: int
) -> dict[str, list[Usage]]:
    """Return what each round of each scorer took, by its name.

    Raises:
        Unusable: a scorer failed, or one answer was wrong.
    """
    source = make_input(data, rows)
    usages: dict[str, list[Usage]] = {scorer.name: [] for scorer in scorers}
    for number in range(1, rounds + 1):
        for scorer in scorers:
            _say(f"round {number} of {rounds}, {rows:,} rows: {scorer.title}")
            usages[scorer.name].append(_run(scorer, source, rows))
    return usages


def make_input(data: Path, rows: int) -> Path:
    """Return a CSV file of so many rows: those of the data over and over, with their number."""
    path = KEPT / "input" / f"{data.stem}-{rows}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        header, *lines = data.read_text(encoding="utf-8").splitlines()
        numbered = (f"{row},{line}\n" for row, line in enumerate(islice(cycle(lines), rows)))
        partial = path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            file.write(f"row,{header}\n")
            file.writelines(numbered)
        partial.replace(path)
    with path.open("rb") as file:  # so that the first to read it does not wait for the disk
        while file.read(1 << 24):
            pass
    return path


def profile(models: Models, rows: int) -> tuple[dict[str, float], float]:
    """Return our seconds by stage in one process, and of the whole process with its start-up."""
    source = make_input(models.data, rows)
    target = _empty("profile") / "output.parquet"
    home = models.champion.home
    command = [OURS.python, "-m", "tests.benchmarks.stages", str(home.folder), home.variant.value]
    log = KEPT / "batch" / "profile.log"
    _say(f"profile of {rows:,} rows")
    usage = measure([*command, str(source), str(target)], home.settings, log)
    stages = json.loads(last_words(log).splitlines()[-1])
    return stages, usage.seconds


def _run(scorer: Scorer, source: Path, rows: int) -> Usage:
    folder = _empty(scorer.name)
    target = folder / f"output{scorer.suffix}"
    log = KEPT / "batch" / f"{scorer.name}.log"
    usage = measure(scorer.command(source, target), scorer.settings, log)
    try:
        predictions = scorer.read(target)
    except (OSError, ValueError, KeyError) as error:
        raise Unusable(f"{scorer.title}: the output cannot be read: {error}") from error
    require_same(np.resize(scorer.answers, rows), predictions, scorer.title)
    shutil.rmtree(folder)
    return usage


def _read_parquet(target: Path) -> NDArray[np.float64]:
    """Return the predictions, once the rows are there in order."""
    table = parquet.read_table(target, columns=["row", "prediction"])
    numbers = np.asarray(table.column("row").to_numpy(), dtype=np.int64)
    if not np.array_equal(numbers, np.arange(len(numbers))):
        raise ValueError("rows are lacking, there twice or out of order")
    return np.asarray(table.column("prediction").to_numpy(), dtype=np.float64)


def _empty(name: str) -> Path:
    folder = KEPT / "batch" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
